import type * as tf from '@tensorflow/tfjs';
import { allocateFloats } from '../backend.js';
import { outerAxes, type Reduce, type ReduceCall } from '../composed/reduce.js';
import type { Simd } from './module.js';

/** Sums over outer axes; others are left to the other kernel. */
export function simdSum(call: ReduceCall, simd: Simd, otherwise: Reduce): tf.TensorInfo {
  return reduceRows(call, { simd, otherwise, factor: () => 1 });
}

/** Means over outer axes; others are left to the other kernel. */
export function simdMean(call: ReduceCall, simd: Simd, otherwise: Reduce): tf.TensorInfo {
  return reduceRows(call, { simd, otherwise, factor: (rows) => 1 / Math.max(1, rows) });
}

function reduceRows(
  call: ReduceCall,
  how: { simd: Simd; otherwise: Reduce; factor: (rows: number) => number },
): tf.TensorInfo {
  const layout = outerAxes(call);
  if (!layout) return how.otherwise(call);
  const { blocks, rows, columns, outShape } = layout;
  const out = allocateFloats(call.backend, outShape);
  const [x, sums] = [how.simd.pointer(call.inputs.x), how.simd.pointer(out)];
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [x + 4 * block * rows * columns, sums + 4 * block * columns];
    how.simd.run.sumRows(from, rows, columns, how.factor(rows), to);
  }
  return out;
}
