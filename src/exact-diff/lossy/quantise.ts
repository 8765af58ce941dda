import { elementCount, type Tensor } from '../../model/tensor.js';
import type { DenseOp, Op, SparseOp } from '../../payload/diff.js';
import { MAX_DENSE_LEVEL, MAX_SCALE, MAX_SPARSE_LEVEL } from '../../payload/limits.js';
import { patchModel } from '../../payload/patch.js';
import { relativeError, residualOf, type TensorPair } from './tensor-pair.js';

/** How far above one half a fraction must be to be rounded up, a unit of error: rough diffs save bytes by zeros. */
const DEAD_ZONE = 0.4;

/**
 * Finds the largest step of a uniform quantiser with which the changes of a tensor, as devices will have them, are within
 * an error.
 *
 * @param error above 0, below 1
 * @returns the changes in steps; undefined where no step is found
 */
export function fitStep(pair: TensorPair, error: number): SparseOp | undefined {
  const least = Math.max(1, numberOf(pair.largest / MAX_SPARSE_LEVEL));
  const most = numberOf(Math.min(MAX_SCALE, 2 * pair.largest));
  return largestThatFits({ least, most }, (number) => {
    const op = quantise(pair, { scale: shortFloat(number), deadZone: DEAD_ZONE * error });
    if (op === undefined) return undefined;
    return relativeError(residualOf(pair, patchTensor(pair.before, [op]))) <= error ? op : undefined;
  });
}

/** @returns the changes in whole steps, a little towards zero; undefined when one takes more than a level holds */
function quantise(
  { before, from, to }: TensorPair,
  { scale, deadZone }: { scale: number; deadZone: number },
): SparseOp | undefined {
  const positions = new Uint32Array(from.length);
  const levels = new Int16Array(from.length);
  let count = 0;
  for (let i = 0; i < from.length; i++) {
    const change = (to[i] as number) - (from[i] as number);
    const magnitude = Math.floor(Math.abs(change) / scale + 0.5 - deadZone);
    // Neither does a level lead to or from what is no finite number.
    if (!(magnitude > 0 && magnitude < Number.POSITIVE_INFINITY)) continue;
    if (magnitude > MAX_SPARSE_LEVEL) return undefined;
    positions[count] = i;
    levels[count++] = change < 0 ? -magnitude : magnitude;
  }
  const found = { positions: positions.subarray(0, count), levels: levels.subarray(0, count) };
  return { kind: 'sparse', tensor: before.name, scale, ...found };
}

/** @returns the tensor with ops applied, in the arithmetic of devices */
export function patchTensor(tensor: Tensor, ops: readonly Op[]): Tensor {
  return patchModel({ tensors: [tensor] }, { ops }).tensors[0] as Tensor;
}

/** @returns the same changes with a level for each element; undefined when one is too large for that */
export function asDense(info: Tensor, { tensor, scale, positions, levels }: SparseOp): DenseOp | undefined {
  const all = new Int8Array(elementCount(info));
  for (let i = 0; i < positions.length; i++) {
    const level = levels[i] as number;
    if (Math.abs(level) > MAX_DENSE_LEVEL) return undefined;
    all[positions[i] as number] = level;
  }
  return { kind: 'dense', tensor, scale, levels: all };
}

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
