import type { Sampled } from './similarity.js';

/** Tensors each of which is compared with all others of a group; of a larger group, with those that come into question. */
const MOST_COMPARED = 512;
const CANDIDATES = 64;

/** Places of a sample whose values tell something, and the values next to one that count as near: a part of all, and how many in all. */
const PROBES = 32;
const NEAR_SHARE = 1 / 8;
const MOST_LOOKUPS = 2 ** 30;

/** Values and what they are of, in one number each that sorts by the value. */
const INDICES = 2 ** 20;

/** Finds the tensors of a group that may be nearest to one. */
export interface Candidates<T> {
  readonly of: (tensor: Sampled) => readonly T[];
  /** Whether they are always the whole group. */
  readonly areAll: boolean;
  /** Look-ups that it takes to find those of one. */
  readonly lookups: number;
}

/**
 * Of up to 512 tensors all are candidates. Of more, 64: those whose values at 32 places are most often among the eighth of all tensors'
 * values that lies around the given one's (2^25 over the number of tensors, where that is less): training moves values by little among those
 * of thousands of tensors. Values that more tensors have at a place, as zeros of sparse ones, tell nothing.
 */
export function openCandidates<T extends Sampled>(among: readonly T[]): Candidates<T> {
  const [first] = among;
  if (first === undefined || among.length <= MOST_COMPARED)
    return { of: () => among, areAll: true, lookups: 0 };
  const places = spread(first.orders.length);
  const known: Place[] = [];
  const near = Math.floor(Math.min(among.length * NEAR_SHARE, MOST_LOOKUPS / among.length / PROBES));
  const votes = new Uint8Array(among.length);
  const of = (tensor: Sampled): T[] => {
    votes.fill(0);
    let told = 0;
    for (const [i, place] of places.entries()) {
      known[i] ??= valuesAt(among, place, near);
      if (vote(votes, known[i], { value: tensor.orders[place] as number, near })) told++;
      if (told === PROBES) break;
    }
    return mostVoted(votes).map((index) => among[index] as T);
  };
  return { of, areAll: false, lookups: Math.min(PROBES, places.length) * near };
}

/** @returns all places of a sample, so that the first ones lie apart */
function spread(count: number): number[] {
  const step = Math.ceil(count / PROBES);
  const starts = Array.from({ length: step }, (_, i) => (i + (step >> 1)) % step);
  const places = Array.from({ length: count }, (_, place) => place);
  return starts.flatMap((start) => places.filter((place) => place % step === start));
}

/** Values of tensors at a place of their samples. */
interface Place {
  /** With the tensors' indices, sorted. */
  readonly sorted: Float64Array;
  /** Values that more tensors have than count as near, which are not among those. */
  readonly common: ReadonlySet<number>;
}

function valuesAt(among: readonly Sampled[], place: number, near: number): Place {
  const counts = new Map<number, number>();
  for (const { orders } of among) {
    const value = orders[place] as number;
    counts.set(value, 1 + (counts.get(value) ?? 0));
  }
  const common = new Set([...counts].filter(([, count]) => count > near).map(([value]) => value));
  const packed = among.flatMap(({ orders }, index) => {
    const value = orders[place] as number;
    return common.has(value) ? [] : [value * INDICES + index];
  });
  return { sorted: Float64Array.from(packed).sort(), common };
}

/**
 * Counts one for each tensor whose value is among those around one.
 *
 * @returns whether that was done: not for a common value
 */
function vote(
  votes: Uint8Array,
  { sorted, common }: Place,
  { value, near }: { value: number; near: number },
): boolean {
  if (common.has(value)) return false;
  const [first, last] = [lowerBound(sorted, value * INDICES), lowerBound(sorted, (value + 1) * INDICES)];
  const start = Math.max(0, Math.min(sorted.length - near, ((first + last) >> 1) - (near >> 1)));
  for (let i = start; i < Math.min(start + near, sorted.length); i++) {
    const packed = sorted[i] as number;
    const index = packed - Math.floor(packed / INDICES) * INDICES;
    votes[index] = (votes[index] as number) + 1;
  }
  return true;
}

/** @returns how many numbers are less than one */
function lowerBound(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @returns indices of the highest numbers, the first of equal ones */
function mostVoted(votes: Uint8Array): number[] {
  const tally = new Uint32Array(PROBES + 1);
  for (const vote of votes) tally[vote] = (tally[vote] as number) + 1;
  let [least, above] = [PROBES, 0];
  while (above + (tally[least] as number) < CANDIDATES) above += tally[least--] as number;
  let room = CANDIDATES - above;
  const found: number[] = [];
  for (let index = 0; index < votes.length; index++) {
    const vote = votes[index] as number;
    if (vote > least || (vote === least && room-- > 0)) found.push(index);
  }
  return found;
}
