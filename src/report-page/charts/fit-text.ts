/** Of labels in charts. */
const FONT_SIZE = 12;

/** Widths of characters in a wide sans-serif font, in parts of its size; the first that fits counts. */
const WIDTHS: readonly [kind: RegExp, width: number][] = [
  [/[\p{M}\u200c\u200d]/u, 0],
  [/[\u0020!'(),./:;I[\\\]fijlrt|]/, 0.42],
  [/[mwMW%@…]/, 1],
  [/[A-Z<>=+&~#^$"]/, 0.84],
  [/[\u0021-\u024f]/, 0.65],
];

/** Characters of other scripts may be as wide as high, or wider. */
const OTHER_WIDTH = 1.4;

/**
 * Cuts a label to the room that it has. Nothing is measured: estimates are the same on every machine, and rather too wide.
 *
 * @param room in units of the drawing
 */
export function fitText(text: string, room: number): string {
  const characters = Array.from(text);
  const widths = characters.map(widthOf);
  if (sum(widths) <= room) return text;
  let width = widthOf('…');
  const count = widths.findIndex((next) => {
    width += next;
    return width > room;
  });
  return `${characters.slice(0, count).join('').trimEnd()}…`;
}

function widthOf(character: string): number {
  return FONT_SIZE * (WIDTHS.find(([kind]) => kind.test(character))?.[1] ?? OTHER_WIDTH);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
