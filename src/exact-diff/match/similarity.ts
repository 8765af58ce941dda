/** A sample of a tensor's elements as ordinals. */
export interface Sampled {
  /** Tensors with the same digest have the same bytes. */
  readonly digest: string;
  readonly ordinals: Int32Array;
  /** Bits per element. */
  readonly bits: number;
}

/** The tensors that one is compared with. */
export interface SearchOptions<T> {
  /** Tensors of the other model: all of the group, or only candidates. */
  readonly among: readonly T[];
  readonly areAll: boolean;
  /** Whether two tensors are interchangeable. */
  readonly isSame: (a: T, b: T) => boolean;
}

/** Standard errors by which one tensor must be nearer than another, so that chance does not decide. */
const STANDARD_ERRORS = 6;

/**
 * Finds the tensor nearest to one, measuring a difference by the bits it takes in a payload.
 *
 * @returns the nearest, unless another is about as near
 */
export function nearest<T extends Sampled>(
  of: Sampled,
  { among, areAll, isSame }: SearchOptions<T>,
): T | undefined {
  const ranked = among.map((tensor) => ({ tensor, distance: distance(of, tensor) }));
  const [best] = ranked.reduce<typeof ranked>(nearer, []);
  const [second] = ranked
    .filter(({ tensor }) => best !== undefined && !isSame(tensor, best.tensor))
    .reduce<typeof ranked>(nearer, []);
  if (best === undefined) return undefined;
  // Among candidates only, the absence of a second one proves nothing.
  if (second === undefined) return areAll ? best.tensor : undefined;
  const isNearest = isClearlyNearer(of, best.tensor, second.tensor);
  return isNearest && areAlike(of, best.tensor) ? best.tensor : undefined;
}

/**
 * Tells related tensors from those that are only of like magnitude: the latter are as near in any order of
 * elements.
 *
 * @returns whether two tensors have the same bytes, or are related element by element
 */
export function areAlike(a: Sampled, b: Sampled): boolean {
  return a.digest === b.digest || isClearlyNearer(a, b, rotated(b));
}

/** @returns a tensor with its elements rotated by half: of like values, unrelated element by element */
function rotated({ digest, ordinals, bits }: Sampled): Sampled {
  const middle = ordinals.length >> 1;
  const result = new Int32Array(ordinals.length);
  result.set(ordinals.subarray(middle));
  result.set(ordinals.subarray(0, middle), ordinals.length - middle);
  return { digest, ordinals: result, bits };
}

function nearer<T extends { distance: number }>(best: T[], one: T): T[] {
  return best[0] !== undefined && best[0].distance <= one.distance ? best : [one];
}

/** @returns the mean number of bits in which elements differ */
function distance(a: Sampled, b: Sampled): number {
  let sum = 0;
  for (let i = 0; i < a.ordinals.length; i++) sum += bitsBetween(a, b, i);
  return sum / a.ordinals.length;
}

/** Compares two distances element by element; a few elements prove little. */
function isClearlyNearer(of: Sampled, best: Sampled, second: Sampled): boolean {
  const count = of.ordinals.length;
  let [sum, squares] = [0, 0];
  for (let i = 0; i < count; i++) {
    const gain = bitsBetween(of, second, i) - bitsBetween(of, best, i);
    sum += gain;
    squares += gain * gain;
  }
  const mean = sum / count;
  const error = Math.sqrt(Math.max(0, squares / count - mean * mean) / count);
  return mean > STANDARD_ERRORS * error + of.bits / count;
}

/** Differences wrap around, as in exact ops. */
function bitsBetween(a: Sampled, b: Sampled, index: number): number {
  const unused = 32 - a.bits;
  const difference = (((a.ordinals[index] as number) - (b.ordinals[index] as number)) << unused) >> unused;
  return 32 - Math.clz32(Math.abs(difference));
}

/**
 * Groups up to the first size are compared in full; in larger ones, each tensor with this many candidates.
 */
const MOST_COMPARED = 512;
const CANDIDATES = 64;

/** Sample positions probed per tensor. */
const PROBES = 32;
/**
 * Values nearest to the probed one that get a vote, as a share of the group, and most lookups for a whole
 * group.
 */
const NEAR_SHARE = 1 / 8;
const MOST_LOOKUPS = 2 ** 30;

/** Factor that packs a value and a tensor's index into one number that sorts by value. */
const INDICES = 2 ** 20;

/** Finds the tensors of a group that may be nearest to one. */
export interface Candidates<T> {
  readonly of: (tensor: Sampled) => readonly T[];
  /** Whether the candidates are always the whole group. */
  readonly areAll: boolean;
}

/**
 * Selects candidates. In groups of up to 512 tensors all are candidates. In larger ones 64 are: those whose
 * values at 32 positions are most often among the nearest eighth of all tensors' values (2^25 over the number
 * of tensors, if less), as training moves values by little compared with the spread among thousands of
 * tensors. Values shared by more tensors than that, such as the zeros of sparse ones, are skipped.
 */
export function openCandidates<T extends Sampled>(among: readonly T[]): Candidates<T> {
  const [first] = among;
  if (first === undefined || among.length <= MOST_COMPARED) return { of: () => among, areAll: true };
  const places = spread(first.ordinals.length);
  const known: Place[] = [];
  const near = Math.floor(Math.min(among.length * NEAR_SHARE, MOST_LOOKUPS / among.length / PROBES));
  const votes = new Uint8Array(among.length);
  const of = (tensor: Sampled): T[] => {
    votes.fill(0);
    let informative = 0;
    for (const [i, place] of places.entries()) {
      known[i] ??= valuesAt(among, place, near);
      if (vote(votes, known[i], { value: tensor.ordinals[place] as number, near })) informative++;
      if (informative === PROBES) break;
    }
    return mostVoted(votes).map((index) => among[index] as T);
  };
  return { of, areAll: false };
}

/** @returns all positions of a sample, ordered so that the first ones are far apart */
function spread(count: number): number[] {
  const step = Math.ceil(count / PROBES);
  const starts = Array.from({ length: step }, (_, i) => (i + (step >> 1)) % step);
  const places = Array.from({ length: count }, (_, place) => place);
  return starts.flatMap((start) => places.filter((place) => place % step === start));
}

/** The values of all tensors at one position of their samples. */
interface Place {
  /** Packed with the tensors' indices, sorted. */
  readonly sorted: Float64Array;
  /** Values shared by more tensors than count as near; not in `sorted`. */
  readonly common: ReadonlySet<number>;
}

function valuesAt(among: readonly Sampled[], place: number, near: number): Place {
  const counts = new Map<number, number>();
  for (const { ordinals } of among) {
    const value = ordinals[place] as number;
    counts.set(value, 1 + (counts.get(value) ?? 0));
  }
  const common = new Set([...counts].filter(([, count]) => count > near).map(([value]) => value));
  const packed = among.flatMap(({ ordinals }, index) => {
    const value = ordinals[place] as number;
    return common.has(value) ? [] : [value * INDICES + index];
  });
  return { sorted: Float64Array.from(packed).sort(), common };
}

/**
 * Adds a vote for each tensor whose value is among the nearest to one.
 *
 * @returns false for a common value, which is skipped
 */
function vote(
  votes: Uint8Array,
  { sorted, common }: Place,
  { value, near }: { value: number; near: number },
): boolean {
  if (common.has(value)) return false;
  const [first, last] = [countBelow(sorted, value * INDICES), countBelow(sorted, (value + 1) * INDICES)];
  const start = Math.max(0, Math.min(sorted.length - near, ((first + last) >> 1) - (near >> 1)));
  for (let i = start; i < Math.min(start + near, sorted.length); i++) {
    const packed = sorted[i] as number;
    const index = packed - Math.floor(packed / INDICES) * INDICES;
    votes[index] = (votes[index] as number) + 1;
  }
  return true;
}

/** @returns how many of the sorted numbers are less than a value */
function countBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @returns indices of the highest counts, in order; among equal ones, the first win */
function mostVoted(votes: Uint8Array): number[] {
  const tally = new Uint32Array(PROBES + 1);
  for (const vote of votes) tally[vote] = (tally[vote] as number) + 1;
  let [least, above] = [PROBES, 0];
  while (above + (tally[least] as number) < CANDIDATES) above += tally[least--] as number;
  let ties = CANDIDATES - above;
  const found: number[] = [];
  for (let index = 0; index < votes.length; index++) {
    const vote = votes[index] as number;
    if (vote > least || (vote === least && ties-- > 0)) found.push(index);
  }
  return found;
}
