/** What one thing that is shipped costs. */
export interface Cost {
  /** Bits that an ideal coder would need. */
  readonly bits: number;
  /** Numbers that are shipped as float32. */
  readonly scales: number;
}

/** @returns whole bytes: bits of all costs together, and four bytes a scale */
export function costBytes(costs: readonly Cost[]): number {
  const sum = (pick: (cost: Cost) => number) => costs.reduce((total, cost) => total + pick(cost), 0);
  return Math.ceil(sum((cost) => cost.bits) / 8) + 4 * sum((cost) => cost.scales);
}

/**
 * Bits that say which `count` of `length` weights are meant: `length · H(count / length)`.
 *
 * Source: C. Shannon, "A Mathematical Theory of Communication", 1948.
 */
export function positionBits(count: number, length: number): number {
  return surprise(count, length) + surprise(length - count, length);
}

/** @returns bits of a sequence at its empirical entropy of order 0; its histogram is free */
export function valueBits(levels: Iterable<number>): number {
  const counts = new Map<number, number>();
  let length = 0;
  for (const level of levels) {
    counts.set(level, (counts.get(level) ?? 0) + 1);
    length++;
  }
  let bits = 0;
  for (const count of counts.values()) bits += surprise(count, length);
  return bits;
}

function surprise(count: number, length: number): number {
  return count === 0 ? 0 : count * Math.log2(length / count);
}

/**
 * The most that a level can cost before it is known: the entropy of whole numbers of some standard deviation
 * is largest for rounded Gaussians.
 *
 * Source: T. Cover, J. Thomas, "Elements of Information Theory", 1991, theorem 9.7.1.
 *
 * @param deviation standard deviation in levels
 * @param choices how many levels there are
 */
export function expectedLevelBits(deviation: number, choices: number): number {
  return Math.min(Math.log2(choices), 0.5 * Math.log2(2 * Math.PI * Math.E * (deviation ** 2 + 1 / 12)));
}
