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
