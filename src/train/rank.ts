/**
 * Finds the n-th largest of numbers that are not negative, in two passes and without sorting: their order is that of
 * their bits.
 *
 * @param arrays no value below 0, none that is not a number
 * @param rank from 1
 */
export function nthLargest(arrays: readonly Float32Array[], rank: number): number {
  const bits = arrays.map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  const counts = new Uint32Array(2 ** 16);
  for (const words of bits) for (const word of words) counts[word >>> 16]! += 1;
  const high = digitOfRank(counts, rank);
  counts.fill(0);
  for (const words of bits) {
    for (const word of words) if (word >>> 16 === high.digit) counts[word & 0xffff]! += 1;
  }
  const low = digitOfRank(counts, high.left);
  return new Float32Array(Uint32Array.of(high.digit * 2 ** 16 + low.digit).buffer)[0] as number;
}

/** @returns the digit of the `rank`-th largest, and its rank among those with the same digit */
function digitOfRank(counts: Uint32Array, rank: number): { digit: number; left: number } {
  let digit = counts.length - 1;
  let left = rank;
  for (; left > (counts[digit] as number); digit--) left -= counts[digit] as number;
  return { digit, left };
}
