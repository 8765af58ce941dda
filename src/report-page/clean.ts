/** Longer strings are cut: nobody reads them, and a page of them is of no use. */
const MAX_LENGTH = 400;

/** What cannot be seen, or turns the text around it: controls, bidirectional marks, halves of pairs, non-characters. */
const UNSEEN =
  /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\u{e0000}-\u{e0fff}]/gu;

/**
 * Makes a string fit to show: characters that cannot be seen are written as escapes (`\u202e`), white space becomes a
 * space, and what is too long is cut.
 */
export function cleanText(text: string): string {
  const shown = text.replaceAll(/[\t\n\r]+/g, ' ').replaceAll(UNSEEN, escapeCharacter);
  return cutText(shown, MAX_LENGTH);
}

/** @returns the string, cut to a number of characters; a cut one ends with an ellipsis */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  const characters = Array.from(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}

/** @returns a copy of a document with all of its strings fit to show */
export function cleanStrings<T>(document: T): T {
  return cleanValue(document) as T;
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cleanValue(inner)]));
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) as number;
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
