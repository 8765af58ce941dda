import { type Elements, magnitudeOf } from './elements.js';
import { KEPT, MAX_CONTEXTS } from './head.js';
import { classes, classOf } from './tokens.js';

/** The contexts of a segment: sums from the origin on, one context each, the last one for all above. */
export interface ContextRange {
  readonly origin: number;
  /** Number of contexts, 1 to `MAX_CONTEXTS`. */
  readonly contexts: number;
}

/** Share of the elements that may lie below the first context, and above the last one. */
const TAIL = 1 / 512;

const LEAST = -(2 ** 15);

/** @returns the range of contexts that has most of the sums, other than `KEPT` */
export function rangeOf(sums: Int16Array): ContextRange {
  const histogram = new Uint32Array(2 ** 16);
  let total = 0;
  for (const sum of sums) {
    if (sum === KEPT) continue;
    const at = sum - LEAST;
    histogram[at] = (histogram[at] as number) + 1;
    total++;
  }
  if (total === 0) return { origin: 0, contexts: 1 };
  const at = (share: number): number => {
    let [place, below] = [0, 0];
    while (below + (histogram[place] as number) <= share * total) below += histogram[place++] as number;
    return place + LEAST;
  };
  const [low, high] = [at(TAIL), at(1 - TAIL)];
  return { origin: low, contexts: Math.min(MAX_CONTEXTS, high - low + 1) };
}

/**
 * @returns the class of which few magnitudes of new elements are above; 0 where tokens do not depend on it
 */
export function topOf({ words, form }: Elements, isNew: boolean): number {
  if (!isNew || form.width === 8) return 0;
  if (form.sign === 0) return 62;
  const histogram = new Uint32Array(classes(form) + 1);
  for (const word of words) {
    const size = classOf(magnitudeOf(word, form), form);
    histogram[size] = (histogram[size] as number) + 1;
  }
  let top = histogram.length - 1;
  for (let above = 0; top > 1; top--) {
    above += histogram[top] as number;
    if (above > TAIL * words.length / 8) break;
  }
  return top;
}
