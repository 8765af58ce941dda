import { elementCount, type Tensor } from '../../model/tensor.js';
import type { DenseOp, Op, SparseOp } from '../../payload/diff.js';
import { MAX_DENSE_LEVEL, MAX_SCALE, MAX_SPARSE_LEVEL } from '../../payload/limits.js';
import { patchModel } from '../../payload/patch.js';
import { relativeError, residualOf, type TensorPair } from './tensor-pair.js';

/** Raises the rounding threshold above one half, per unit of error: rough diffs save bytes through zeros. */
const DEAD_ZONE = 0.4;

/**
 * Finds the largest step of a uniform quantiser for which a tensor's changes, as applied on devices, are
 * within an error.
 *
 * @param error above 0, below 1
 * @returns the changes in steps; undefined if no step is found
 */
export function fitStep(pair: TensorPair, error: number): SparseOp | undefined {
  const least = Math.max(1, numberOf(pair.largest / MAX_SPARSE_LEVEL));
  const most = numberOf(Math.min(MAX_SCALE, 2 * pair.largest));
  return bisectLargest({ least, most }, (number) => {
    const op = quantise(pair, { scale: shortFloat(number), deadZone: DEAD_ZONE * error });
    if (op === undefined) return undefined;
    return relativeError(residualOf(pair, patchTensor(pair.before, [op]))) <= error ? op : undefined;
  });
}

/** @returns the changes in whole steps, with a dead zone; undefined if one exceeds the largest level */
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
    // Levels cannot express changes to or from non-finite elements.
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

/** @returns the same changes as one level per element; undefined if one exceeds the largest dense level */
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
 * Converts the ordinal of a short float to its value. Short floats are positive numbers that fit the upper
 * half of a binary32, as the scales of payloads; their ordinals are those upper bits and count from 1.
 * Bisecting ordinals is like bisecting logarithms, in steps below 1 %, without logarithms or powers, which
 * may differ between machines.
 *
 * @param number from 1 to 0x7f7f
 */
export function shortFloat(number: number): number {
  return new Float32Array(Uint32Array.of(number * 2 ** 16).buffer)[0] as number;
}

/** @returns the ordinal of the largest short float not above a value; 0 if all are above */
export function numberOf(value: number): number {
  return (new Uint32Array(Float32Array.of(value).buffer)[0] as number) >>> 16;
}

/**
 * Finds the largest whole number that fits, by bisection. Where fitting is not monotonic, any number that
 * fits may be found.
 *
 * @param attempt returns the result for a number; undefined if it does not fit
 * @returns the result for the number found; undefined if no tried number fits
 */
export function bisectLargest<T>(
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
