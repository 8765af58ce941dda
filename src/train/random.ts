/** A stream of pseudo-random numbers in [0, 1): for one seed the same on every machine. */
export type Random = () => number;

/**
 * Creates a seeded stream of numbers in [0, 1).
 *
 * Source: the "mulberry32" generator, a 32-bit counter with a strong mixing function.
 *
 * @param seed 0 to 2^32 - 1
 */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Shuffles the numbers 0 to count - 1.
 *
 * Source: the Fisher-Yates shuffle in Durstenfeld's form.
 */
export function shuffledIndexes(count: number, random: Random): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}

/** @returns the seed, if it is valid */
export function checkSeed(seed: number): number {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new RangeError(`Cannot use seed ${seed}: expected a whole number from 0 to 2^32 - 1`);
  }
  return seed;
}
