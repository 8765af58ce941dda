import { DTYPES, type Tensor } from '../model/index.js';
import { largestThatFits, numberOf, shortFloat } from './short-floats.js';
import { relativeError, type TensorPair } from './tensor-pair.js';

/** Changes below this share of the largest are left out together. */
const FINEST = 2 ** -20;

/**
 * Leaves the smallest changes out, as many as an error allows. Where halves change by a few units in the last place, no
 * quantiser saves more: what it gives is rounded to the same places.
 *
 * @param error above 0
 * @returns the next tensor with the other elements as they were before
 */
export function thinOut(pair: TensorPair, error: number): Tensor {
  const { before, after, from, to, change, largest } = pair;
  const bounds = { least: numberOf(largest * FINEST), most: numberOf(largest) };
  const threshold = largestThatFits(bounds, (number) => {
    const tried = shortFloat(number);
    return relativeError({ left: squaresUpTo(pair, tried), change }) <= error ? tried : undefined;
  });
  const bytes = after.bytes.slice();
  const size = DTYPES[after.dtype].bytes;
  for (let i = 0; i < from.length; i++) {
    if (!(Math.abs((to[i] as number) - (from[i] as number)) <= (threshold ?? 0))) continue;
    for (let at = i * size; at < (i + 1) * size; at++) bytes[at] = before.bytes[at] as number;
  }
  return { ...after, bytes };
}

/** @returns the sum of the squared changes that are not above a threshold */
function squaresUpTo({ from, to }: TensorPair, threshold: number): number {
  let sum = 0;
  for (let i = 0; i < from.length; i++) {
    const step = Math.abs((to[i] as number) - (from[i] as number));
    if (step <= threshold) sum += step ** 2;
  }
  return sum;
}
