/** A bar and its row, counted from 0. */
interface Bar {
  readonly row: number;
  readonly start: number;
  readonly value: number;
  readonly colour: string;
  /** Its number, written next to it. */
  readonly written: string;
  /** Its description. */
  readonly about: string;
}

/** @returns an encoding of rows by index */
export function rowChannel(count: number): object {
  const sort = Array.from({ length: count }, (_, row) => row);
  const axis = { title: null, grid: false, labels: false };
  return { field: 'row', type: 'ordinal', sort, scale: { domain: sort, padding: 0.3 }, axis };
}

/** @returns layers of bars and of the numbers at their ends */
export function barLayers(values: readonly Bar[], x: object, options: { height: number }): object[] {
  const y = rowChannel(values.length);
  const bar = { type: 'bar', cornerRadiusEnd: 2, height: options.height };
  const fill = { field: 'colour', type: 'nominal', scale: null };
  const text = { type: 'text', align: 'left', baseline: 'middle', dx: 6 };
  const x2 = { field: 'start' };
  return [
    { data: { values }, mark: bar, encoding: { y, x, x2, fill, description: { field: 'about' } } },
    { data: { values }, mark: text, encoding: { y, x, text: { field: 'written' } } },
  ];
}

/** Position of row labels, and the available width in units of the drawing. */
interface LabelPlace {
  readonly side: 'left' | 'above';
  readonly room: number;
}

const GAP = 8;

const SIDES = {
  left: { align: 'right', baseline: 'middle', x: -GAP },
  above: { align: 'left', baseline: 'bottom', x: 0, dy: -9 },
};

/** @returns a layer with a label for each row; names are data, never part of an expression */
export function labelLayer(names: readonly string[], { side, room }: LabelPlace): object {
  const values = names.map((name, row) => ({ row, label: fitText(name, room - GAP) }));
  const mark = { type: 'text', fill: 'var(--text)', ...SIDES[side] };
  return { data: { values }, mark, encoding: { y: rowChannel(names.length), text: { field: 'label' } } };
}

/** Font size of labels in charts. */
const FONT_SIZE = 12;

/** Character widths in a wide sans-serif font, relative to its size; the first match applies. */
const WIDTHS: readonly [kind: RegExp, width: number][] = [
  [/[\p{M}\u200c\u200d]/u, 0],
  [/[\u0020!'(),./:;I[\\\]fijlrt|]/, 0.42],
  [/[mwMW%@…]/, 1],
  [/[A-Z<>=+&~#^$"]/, 0.84],
  [/[\u0021-\u024f]/, 0.65],
];

/** Characters of other scripts may be as wide as they are high, or wider. */
const OTHER_WIDTH = 1.4;

/**
 * Truncates a label to the available width. Widths are estimated generously rather than measured, so that the
 * result is the same on every machine.
 *
 * @param room available width in units of the drawing
 */
function fitText(text: string, room: number): string {
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
