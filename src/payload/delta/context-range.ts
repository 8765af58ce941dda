import { type Elements, magnitudeOf } from './elements.js';
import { KEPT, MAX_CONTEXTS } from './head.js';
import { classes, classOf } from './tokens.js';

/** The contexts of a segment: sums from the origin on, one context each, the last one for all above. */
export interface ContextRange {
  readonly origin: number;
  /** Number of contexts, 1 to `MAX_CONTEXTS`. */
  readonly contexts: number;
}

/** The range is taken from some 2 to this elements, or twice as many. */
const SAMPLED_BITS = 14;

/** Share of the elements that may lie below the first context, and above the last one. */
const TAIL = 1 / 512;

/** @returns the range of contexts that has most of the sums, other than `KEPT` */
export function rangeOf(sums: Int16Array): ContextRange {
  return (
    rangeOfEvery(Math.max(1, sums.length >>> SAMPLED_BITS), sums) ?? rangeOfEvery(1, sums) ?? ONE_CONTEXT
  );
}

const ONE_CONTEXT: ContextRange = { origin: 0, contexts: 1 };

/** @returns the range of the sums at some distance; undefined when all of them are `KEPT` */
function rangeOfEvery(stride: number, sums: Int16Array): ContextRange | undefined {
  let [least, most] = [2 ** 15, KEPT];
  for (let i = 0; i < sums.length; i += stride) {
    const sum = sums[i] as number;
    if (sum > most) most = sum;
    if (sum < least && sum !== KEPT) least = sum;
  }
  if (most === KEPT) return undefined;
  const histogram = new Uint32Array(most - least + 1);
  let total = 0;
  for (let i = 0; i < sums.length; i += stride) {
    const sum = sums[i] as number;
    if (sum === KEPT) continue;
    histogram[sum - least] = (histogram[sum - least] as number) + 1;
    total++;
  }
  const at = (share: number): number => {
    let [place, below] = [0, 0];
    while (below + (histogram[place] as number) <= share * total) below += histogram[place++] as number;
    return place + least;
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
    if (above > (TAIL * words.length) / 8) break;
  }
  return top;
}
