/**
 * Positive numbers that the upper half of a binary32 holds, as scales of payloads are, count from 1 in the order of their values:
 * those bits. To bisect by these numbers is to bisect by logarithms, in steps of less than 1 %, without a logarithm or a
 * power, which need not be the same on every machine.
 *
 * @param number from 1 to 0x7f7f
 */
export function shortFloat(number: number): number {
  return new Float32Array(Uint32Array.of(number * 2 ** 16).buffer)[0] as number;
}

/** @returns the number of the largest short float that is not above a value; 0 when all are */
export function numberOf(value: number): number {
  return (new Uint32Array(Float32Array.of(value).buffer)[0] as number) >>> 16;
}

/**
 * Finds by bisection a whole number that fits: the largest one where fitting ends at some number; else one that fits.
 *
 * @param attempt what is made of a number; undefined when it does not fit
 * @returns what was made of the number; undefined when none that was tried fits
 */
export function largestThatFits<T>(
  { least, most }: { least: number; most: number },
  attempt: (number: number) => T | undefined,
): T | undefined {
  let [low, high] = [least, most];
  let best: T | undefined;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const made = attempt(middle);
    if (made === undefined) high = middle - 1;
    else {
      best = made;
      low = middle + 1;
    }
  }
  return best;
}
