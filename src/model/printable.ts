/**
 * Controls, lone surrogates, non-characters, and characters that are invisible or change the direction of
 * others (Unicode Standard Annex 9): in names, they can move a terminal's cursor or make one text look like
 * another.
 */
const UNSEEN =
  /[\u034f\p{Cc}\p{Cs}\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\uffff\u{e0000}-\u{e0fff}]/gu;

/** @returns text of strangers as one line for people: unseen characters are written as `\u{1b}` */
export function printable(text: string): string {
  return text.replaceAll(UNSEEN, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** @returns a value as indented JSON whose strings have no unseen characters; parsers read the same value */
export function printableJson(value: unknown): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replaceAll(UNSEEN, (character) =>
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, i) => escaped(character.charAt(i))).join(''),
  );
}
