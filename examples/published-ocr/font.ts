import { inflateSync } from 'node:zlib';

/** A point of an outline, in pixels: x to the right, y down. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A letter: closed lines around what is inked, and how far the next one is. Units of the font, y up. */
interface Glyph {
  readonly contours: readonly (readonly Point[])[];
  readonly advance: number;
}

/** A font with TrueType outlines. */
export interface Font {
  /** @returns the outlines of a word whose letters stand on y = 0, one em being one pixel, and its width */
  outline(word: string): { contours: Point[][]; width: number };
}

/** Straight lines that a curve is drawn with. */
const CURVE_STEPS = 4;

/** Bytes before the directory of a WOFF file, and of each of its entries. */
const HEADER_BYTES = 44;
const ENTRY_BYTES = 20;

/**
 * Reads a font file: WOFF 1.0 (W3C, 2012) around TrueType outlines (OpenType 1.9, tables `cmap`, `glyf`).
 *
 * @throws Error for a file of another kind
 */
export function readFont(file: Uint8Array): Font {
  const view = viewOf(file);
  if (file.length < HEADER_BYTES || view.getUint32(0) !== 0x774f4646)
    throw new Error('Cannot read font: expected WOFF');
  const tables = new Map<string, DataView>();
  for (let i = 0; i < view.getUint16(12); i++) {
    const entry = HEADER_BYTES + ENTRY_BYTES * i;
    const [offset, packed, bytes] = [4, 8, 12].map((at) => view.getUint32(entry + at)) as [
      number,
      number,
      number,
    ];
    const part = file.subarray(offset, offset + packed);
    const tag = String.fromCharCode(...file.subarray(entry, entry + 4));
    tables.set(tag, viewOf(packed < bytes ? inflateSync(part) : part));
  }
  const table = (tag: string): DataView => {
    const found = tables.get(tag);
    if (found === undefined) throw new Error(`Cannot read font: it has no table "${tag}"`);
    return found;
  };
  const em = table('head').getUint16(18);
  const glyphOf = readGlyphs(table);
  const numberOf = readCharacters(table('cmap'));
  return {
    outline(word) {
      const contours: Point[][] = [];
      let width = 0;
      for (const character of word) {
        const glyph = glyphOf(numberOf(character.codePointAt(0) as number));
        const left = width;
        for (const contour of glyph.contours)
          contours.push(contour.map(({ x, y }) => ({ x: left + x / em, y: -y / em })));
        width += glyph.advance / em;
      }
      return { contours, width };
    },
  };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** @returns the number of the glyph of a character (`cmap`, format 4); 0 where there is none */
function readCharacters(cmap: DataView): (code: number) => number {
  for (let i = 0; i < cmap.getUint16(2); i++) {
    const start = cmap.getUint32(8 + 8 * i);
    if (cmap.getUint16(start) !== 4) continue;
    const segments = cmap.getUint16(start + 6) / 2;
    const [ends, starts] = [start + 14, start + 16 + 2 * segments];
    const [deltas, ranges] = [starts + 2 * segments, starts + 4 * segments];
    return (code) => {
      for (let k = 0; k < segments; k++) {
        if (cmap.getUint16(ends + 2 * k) < code) continue;
        const first = cmap.getUint16(starts + 2 * k);
        if (first > code) return 0;
        const delta = cmap.getUint16(deltas + 2 * k);
        const range = cmap.getUint16(ranges + 2 * k);
        if (range === 0) return (code + delta) % 0x10000;
        const found = cmap.getUint16(ranges + 2 * k + range + 2 * (code - first));
        return found === 0 ? 0 : (found + delta) % 0x10000;
      }
      return 0;
    };
  }
  throw new Error('Cannot read font: expected a character map of format 4');
}

/** @returns what draws a glyph by its number */
function readGlyphs(table: (tag: string) => DataView): (number: number) => Glyph {
  const [loca, glyf, hmtx] = [table('loca'), table('glyf'), table('hmtx')];
  const isLong = table('head').getInt16(50) === 1;
  const metrics = table('hhea').getUint16(34);
  const offset = (number: number): number =>
    isLong ? loca.getUint32(4 * number) : 2 * loca.getUint16(2 * number);
  const contoursOf = (number: number): Point[][] => {
    const start = offset(number);
    if (start === offset(number + 1)) return [];
    const count = glyf.getInt16(start);
    return count >= 0 ? readContours(glyf, start, count) : readParts(glyf, start + 10, contoursOf);
  };
  return (number) => ({
    contours: contoursOf(number),
    advance: hmtx.getUint16(4 * Math.min(number, metrics - 1)),
  });
}

/** Flags of a point of a glyph, and of a part of one. */
const POINT = { onCurve: 1, shortX: 2, shortY: 4, repeat: 8, sameX: 16, sameY: 32 } as const;
const PART = { words: 1, offsets: 2, scale: 8, more: 32, twoScales: 64, matrix: 128 } as const;

/** A glyph made of others, each moved; scaled parts are refused. */
function readParts(glyf: DataView, start: number, contoursOf: (number: number) => Point[][]): Point[][] {
  const contours: Point[][] = [];
  let flags: number = PART.more;
  for (let at = start; flags & PART.more; ) {
    flags = glyf.getUint16(at);
    if (flags & (PART.scale | PART.twoScales | PART.matrix))
      throw new Error('Cannot read font: a part is scaled');
    const isWide = (flags & PART.words) !== 0;
    const x = isWide ? glyf.getInt16(at + 4) : glyf.getInt8(at + 4);
    const y = isWide ? glyf.getInt16(at + 6) : glyf.getInt8(at + 5);
    const move = (point: Point): Point => ({ x: point.x + x, y: point.y + y });
    for (const contour of contoursOf(glyf.getUint16(at + 2))) contours.push(contour.map(move));
    at += isWide ? 8 : 6;
  }
  return contours;
}

function readContours(glyf: DataView, start: number, count: number): Point[][] {
  const ends = Array.from({ length: count }, (_, i) => glyf.getUint16(start + 10 + 2 * i));
  const points = count === 0 ? 0 : (ends.at(-1) as number) + 1;
  let at = start + 10 + 2 * count;
  at += 2 + glyf.getUint16(at);
  const flags: number[] = [];
  while (flags.length < points) {
    const flag = glyf.getUint8(at++);
    const times = flag & POINT.repeat ? 1 + glyf.getUint8(at++) : 1;
    for (let i = 0; i < times; i++) flags.push(flag);
  }
  const coordinates = (short: number, same: number): number[] => {
    let value = 0;
    return flags.map((flag) => {
      if (flag & short) value += (flag & same ? 1 : -1) * glyf.getUint8(at++);
      else if (!(flag & same)) {
        value += glyf.getInt16(at);
        at += 2;
      }
      return value;
    });
  };
  const xs = coordinates(POINT.shortX, POINT.sameX);
  const ys = coordinates(POINT.shortY, POINT.sameY);
  const all = flags.map((flag, i) => ({
    x: xs[i] as number,
    y: ys[i] as number,
    isOn: (flag & POINT.onCurve) !== 0,
  }));
  return ends.map((end, i) => flatten(all.slice(i === 0 ? 0 : (ends[i - 1] as number) + 1, end + 1)));
}

/** Draws the quadratic curves of a contour with straight lines. */
function flatten(points: readonly (Point & { isOn: boolean })[]): Point[] {
  const middle = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const line: Point[] = [];
  points.forEach((point, i) => {
    if (point.isOn) {
      line.push(point);
      return;
    }
    const before = points.at(i - 1) as (typeof points)[number];
    const after = points[(i + 1) % points.length] as (typeof points)[number];
    const from = before.isOn ? before : middle(before, point);
    const to = after.isOn ? after : middle(point, after);
    for (let step = before.isOn ? 1 : 0; step <= CURVE_STEPS - (after.isOn ? 1 : 0); step++) {
      const t = step / CURVE_STEPS;
      const [a, b, c] = [(1 - t) * (1 - t), 2 * t * (1 - t), t * t];
      line.push({ x: a * from.x + b * point.x + c * to.x, y: a * from.y + b * point.y + c * to.y });
    }
  });
  return line;
}
