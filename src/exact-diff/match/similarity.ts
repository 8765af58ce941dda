/** Elements of a tensor, from everywhere in it, as numbers in the order of their values. */
export interface Sampled {
  /** Tensors with the same digest have the same bytes. */
  readonly digest: string;
  readonly orders: Int32Array;
  /** Bits an element. */
  readonly bits: number;
}

/** What a tensor is compared with. */
export interface Choice<T> {
  /** Tensors of the other model: all, or those that come into question. */
  readonly among: readonly T[];
  readonly areAll: boolean;
  /** Whether it makes no difference which of two is taken. */
  readonly isSame: (a: T, b: T) => boolean;
}

/** Standard errors by which a tensor must be nearer than another: chance does not reach as far. */
const STANDARD_ERRORS = 6;

/**
 * Finds the tensor that differs least from one: a difference counts as the bits that it takes, as in a payload.
 *
 * @returns the nearest, unless another is about as near
 */
export function nearest<T extends Sampled>(of: Sampled, { among, areAll, isSame }: Choice<T>): T | undefined {
  const ranked = among.map((tensor) => ({ tensor, distance: distance(of, tensor) }));
  const [best] = ranked.reduce<typeof ranked>(nearer, []);
  const [second] = ranked
    .filter(({ tensor }) => best !== undefined && !isSame(tensor, best.tensor))
    .reduce<typeof ranked>(nearer, []);
  if (best === undefined) return undefined;
  // Where others did not come into question, that there is no second says nothing.
  if (second === undefined) return areAll ? best.tensor : undefined;
  const isNearest = isClearlyNearer(of, best.tensor, second.tensor);
  return isNearest && areAlike(of, best.tensor) ? best.tensor : undefined;
}

/**
 * Tensors of like magnitude are near each other without having to do with each other: so they are in any order.
 *
 * @returns whether two tensors have the same bytes, or have to do with each other element by element
 */
export function areAlike(a: Sampled, b: Sampled): boolean {
  return a.digest === b.digest || isClearlyNearer(a, b, turned(b));
}

/** @returns a tensor with its elements half-way around: of like values, related to nothing element by element */
function turned({ digest, orders, bits }: Sampled): Sampled {
  const middle = orders.length >> 1;
  const result = new Int32Array(orders.length);
  result.set(orders.subarray(middle));
  result.set(orders.subarray(0, middle), orders.length - middle);
  return { digest, orders: result, bits };
}

function nearer<T extends { distance: number }>(best: T[], one: T): T[] {
  return best[0] !== undefined && best[0].distance <= one.distance ? best : [one];
}

/** @returns the mean number of bits that elements differ in */
function distance(a: Sampled, b: Sampled): number {
  let sum = 0;
  for (let i = 0; i < a.orders.length; i++) sum += bitsBetween(a, b, i);
  return sum / a.orders.length;
}

/** Compares two distances element by element; few elements say little, however they lie. */
function isClearlyNearer(of: Sampled, best: Sampled, second: Sampled): boolean {
  const count = of.orders.length;
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

/** Differences go around the end, as those of exact ops. */
function bitsBetween(a: Sampled, b: Sampled, index: number): number {
  const unused = 32 - a.bits;
  const difference = (((a.orders[index] as number) - (b.orders[index] as number)) << unused) >> unused;
  return 32 - Math.clz32(Math.abs(difference));
}

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
