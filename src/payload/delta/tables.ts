import { frequenciesOf, TOTAL } from './frequencies.js';
import type { ContextWeights } from './head.js';
import { MAX_CONTEXTS } from './head.js';
import { TOKENS } from './tokens.js';

/** How often each token occurs in each context: `counts[context * TOKENS + token]`. */
export type Counts = Uint32Array;

/** @returns zeros for all contexts */
export function createCounts(): Counts {
  return new Uint32Array(MAX_CONTEXTS * TOKENS);
}

/** Contexts of a segment with weights, as their cost suggests. */
export interface ChosenTables {
  readonly weights: ContextWeights;
  readonly precision: number;
  /** Estimated bits of tables and tokens, raw bits left out. */
  readonly bits: number;
}

/** Approximate bits of a token's weight in a head, and of a context. */
const WEIGHT_BITS = 4.5;
const CONTEXT_BITS = 8;

const LOG2 = Float64Array.from({ length: 2 ** 14 }, (_, i) => Math.log2(i));

/** @returns the base-2 logarithm of a whole number from 1 on */
function log2(count: number): number {
  return count < LOG2.length ? (LOG2[count] as number) : Math.log2(count);
}

/**
 * Chooses which contexts share frequencies: neighbours are joined while that saves more bits of tables than
 * it costs in tokens.
 *
 * @param contexts number of contexts that occur
 */
export function chooseTables(counts: Counts, contexts: number): ChosenTables {
  const groups: { start: number; counts: Uint32Array; bits: number }[] = [];
  for (let context = 0; context < contexts; context++) {
    const own = counts.slice(context * TOKENS, (context + 1) * TOKENS);
    let group = { start: context, counts: own, bits: bitsOf(own) };
    for (let last = groups.at(-1); last !== undefined; last = groups.at(-1)) {
      const joined = last.counts.map((count, token) => count + (group.counts[token] as number));
      const bits = bitsOf(joined);
      if (bits > last.bits + group.bits) break;
      groups.pop();
      group = { start: last.start, counts: joined, bits };
    }
    groups.push(group);
  }
  const weights: (Uint16Array | undefined)[] = Array.from({ length: contexts }, () => undefined);
  let elements = 0;
  for (const group of groups) {
    const sum = group.counts.reduce((total, count) => total + count, 0);
    weights[group.start] = weightsOf(group.counts, sum);
    elements += sum;
  }
  const precision = elements < 2 ** 13 ? 1 : elements < 2 ** 16 ? 2 : 3;
  return { weights, precision, bits: groups.reduce((sum, { bits }) => sum + bits, 0) };
}

/** @returns estimated bits of a context's tokens and their table */
function bitsOf(counts: Uint32Array): number {
  let [sum, used, bits] = [0, 0, 0];
  for (const count of counts) {
    if (count === 0) continue;
    sum += count;
    used++;
    bits -= count * log2(count);
  }
  if (sum === 0) return 0;
  return bits + sum * log2(sum) + used * WEIGHT_BITS + CONTEXT_BITS;
}

/** @returns weights in proportion to counts, at least 1 for each token that occurs */
function weightsOf(counts: Uint32Array, sum: number): Uint16Array {
  const weights = new Uint16Array(TOKENS);
  if (sum === 0) weights[0] = 1;
  counts.forEach((count, token) => {
    if (count > 0) weights[token] = Math.max(1, Math.round((count * TOTAL) / sum));
  });
  return weights;
}

/**
 * Cuts weights to a precision, to the nearest value that a head can hold.
 *
 * @returns the weights that a decoder reads
 */
export function roundWeights(weights: Uint16Array, precision: number): Uint16Array {
  return weights.map((weight) => {
    const dropped = 31 - Math.clz32(weight) - precision;
    if (dropped <= 0) return weight;
    return Math.min(TOTAL, ((weight + 2 ** (dropped - 1)) >> dropped) << dropped);
  });
}

/** @returns frequencies of each context, as a decoder has them */
export function frequenciesOfAll(weights: ContextWeights): Uint16Array[] {
  const frequencies: Uint16Array[] = [];
  weights.forEach((each, context) => {
    frequencies.push(each ? frequenciesOf(each) : (frequencies[context - 1] as Uint16Array));
  });
  return frequencies;
}
