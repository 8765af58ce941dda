import { elementCount, type Tensor } from '../model/index.js';
import {
  type DenseOp,
  MAX_DENSE_LEVEL,
  MAX_SCALE,
  MAX_SPARSE_LEVEL,
  type Op,
  patchModel,
  type SparseOp,
} from '../payload/index.js';
import { largestThatFits, numberOf, shortFloat } from './short-floats.js';
import { relativeError, remainsOf, type TensorPair } from './tensor-pair.js';

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
    return relativeError(remainsOf(pair, patchTensor(pair.before, [op]))) <= error ? op : undefined;
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
