import { createRandom, type Random, uniform } from '../common/random.js';
import type { Font, Point } from './font.js';

/** Pixels of a picture of a word, as the recogniser takes them. */
export const LINE = { height: 48, width: 128 } as const;

const LINE_PIXELS = LINE.height * LINE.width;

/** Rows that coverage is measured in, for each row of pixels. */
const SUBROWS = 4;

const CONSONANTS = 'bcdfghjklmnpqrstvwxyz';
const VOWELS = 'aeiou';

/** @returns an invented word of three to six letters */
export function inventWord(random: Random): string {
  const pick = (letters: string): string => letters[Math.floor(random() * letters.length)] as string;
  const length = 3 + Math.floor(random() * 4);
  let word = '';
  for (let i = 0; i < length; i++)
    word += pick(i % 2 === 0 ? CONSONANTS : random() < 0.8 ? VOWELS : CONSONANTS);
  return random() < 0.3 ? (word[0] as string).toUpperCase() + word.slice(1) : word;
}

/** Words and what they look like. */
export interface Lines {
  readonly words: readonly string[];
  /** Three equal channels from -1, black, to 1, white, one word after another. */
  readonly values: Float32Array;
  readonly shape: readonly [3, number, number];
  readonly count: number;
}

/** Which words are printed. */
export interface LineSet {
  readonly seed: number;
  readonly name: string;
  readonly count: number;
  /** Tells words that others are invented for. */
  readonly isLeftOut?: (word: string) => boolean;
}

/**
 * Prints words: each in a size, place, greys and noise of its own.
 *
 * @param set fixes the words and all that is random
 */
export function printWords(font: Font, set: LineSet): Lines {
  const values = new Float32Array(set.count * 3 * LINE_PIXELS);
  const words = Array.from({ length: set.count }, (_, i) => {
    const random = createRandom(set.seed, `line/${set.name}/${i}`);
    let word = inventWord(random);
    while (set.isLeftOut?.(word)) word = inventWord(random);
    const picture = printWord(font, word, random);
    for (let channel = 0; channel < 3; channel++) values.set(picture, (3 * i + channel) * LINE_PIXELS);
    return word;
  });
  return { words, values, shape: [3, LINE.height, LINE.width], count: set.count };
}

function printWord(font: Font, word: string, random: Random): Float32Array {
  const { contours, width } = font.outline(word);
  const size = Math.min(uniform(random, 30, 42), (LINE.width - 8) / width);
  const left = uniform(random, 4, Math.max(4, Math.min(12, LINE.width - 4 - size * width)));
  const baseline = uniform(random, 33, 38);
  const place = ({ x, y }: Point): Point => ({ x: left + size * x, y: baseline + size * y });
  const ink = coverage(contours.map((contour) => contour.map(place)));
  const [paper, dark] = [uniform(random, 0.3, 1), uniform(random, -1, -0.3)];
  return ink.map((part) => {
    const noise = uniform(random, -0.15, 0.15);
    return Math.max(-1, Math.min(1, paper + (dark - paper) * part + noise));
  });
}

/** @returns the part of each pixel that lies within closed lines, by the rule of non-zero winding */
function coverage(contours: readonly (readonly Point[])[]): Float32Array {
  const ink = new Float32Array(LINE_PIXELS);
  for (let row = 0; row < LINE.height * SUBROWS; row++) {
    const y = (row + 0.5) / SUBROWS;
    const pixels = ink.subarray(Math.floor(row / SUBROWS) * LINE.width).subarray(0, LINE.width);
    let winding = 0;
    let start = 0;
    for (const { x, turn } of crossings(contours, y)) {
      if (winding === 0) start = x;
      winding += turn;
      if (winding === 0) fillSpan(pixels, start, x);
    }
  }
  return ink;
}

/** @returns where lines cross a height, from left to right, and whether they go down or up there */
function crossings(contours: readonly (readonly Point[])[], y: number): { x: number; turn: number }[] {
  const found: { x: number; turn: number }[] = [];
  for (const contour of contours) {
    contour.forEach((a, i) => {
      const b = contour[(i + 1) % contour.length] as Point;
      if (a.y <= y === b.y <= y) return;
      found.push({ x: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: a.y < b.y ? 1 : -1 });
    });
  }
  return found.sort((a, b) => a.x - b.x);
}

function fillSpan(pixels: Float32Array, from: number, to: number): void {
  const [start, end] = [Math.max(0, from), Math.min(LINE.width, to)];
  for (let x = Math.floor(start); x < end; x++) {
    const part = Math.min(end, x + 1) - Math.max(start, x);
    pixels[x] = (pixels[x] as number) + part / SUBROWS;
  }
}
