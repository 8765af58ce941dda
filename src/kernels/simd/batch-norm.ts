import type * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, sizeOf } from '../backend.js';
import { type BatchNormCall, isByChannel } from '../composed/batch-norm.js';
import type { Simd } from './module.js';

/** Normalises by channel in one pass; parameters of other shapes are left to the other kernel. */
export function simdBatchNorm(
  call: BatchNormCall,
  simd: Simd,
  otherwise: (call: BatchNormCall) => tf.TensorInfo,
): tf.TensorInfo {
  if (!isByChannel(call)) return otherwise(call);
  const { inputs, backend, attrs } = call;
  const { x, mean, variance, scale, offset } = inputs;
  const columns = mean.shape[0] as number;
  const out = allocateFloats(backend, x.shape);
  const [factor, shift] = [allocateFloats(backend, [columns]), allocateFloats(backend, [columns])];
  const factors = borrowFloats(backend, factor);
  const scales = scale && borrowFloats(backend, scale);
  borrowFloats(backend, variance).forEach((value, i) => {
    factors[i] = (scales?.[i] ?? 1) / Math.sqrt(value + attrs.varianceEpsilon);
  });
  if (!offset) borrowFloats(backend, shift).fill(0);
  const tensors = [x, mean, factor, offset ?? shift].map((tensor) => simd.pointer(tensor));
  simd.run.normalise(...tensors, sizeOf(x.shape) / columns, columns, simd.pointer(out));
  for (const { dataId } of [factor, shift]) backend.disposeData(dataId);
  return out;
}
