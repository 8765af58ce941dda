/** The next number of a seeded stream, at least 0 and below 1. */
export type Random = () => number;

/** FNV-1a over UTF-16 units: enough to keep the streams of different names apart. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * Start a random stream that is fixed by a seed.
 *
 * @param seed 0 to 2^32 - 1
 * @returns the stream (mulberry32)
 */
export function createStream(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/**
 * Start a random stream that is fixed by a seed and a name, so that what happens to one clip never depends on
 * which other clips there are.
 *
 * @param seed a whole number
 * @param name what the stream is for
 */
export const createRandom = (seed: number, name: string): Random => createStream(hashText(`${seed}/${name}`));

/**
 * Draw a number evenly from a range.
 *
 * @param random the stream to draw from
 * @param low the least value
 * @param high the value stayed below
 */
export function uniform(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

/**
 * Copy a list in a random order (Fisher–Yates).
 *
 * @param items the list, left as it is
 * @param random the stream to draw from
 */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
