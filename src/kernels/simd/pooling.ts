import * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall } from '../backend.js';
import type { ConvGeometry } from '../geometry.js';
import { GEOMETRY_BYTES, geometryFields } from './convolution.js';
import type { Simd } from './module.js';

type PoolGradCall = KernelCall<'dy' | 'input', tf.MaxPoolGradAttrs | tf.AvgPoolGradAttrs>;

/** The gradient of max pooling: to the first largest input of each window. */
export function simdMaxPoolGradient(call: PoolGradCall, simd: Simd): tf.TensorInfo {
  const out = allocateFloats(call.backend, call.inputs.input.shape);
  const geometry = simd.borrowStruct(GEOMETRY_BYTES, geometryFields(poolGeometry(call)));
  const [x, dy] = [simd.pointer(call.inputs.input), simd.pointer(call.inputs.dy)];
  simd.run.maxPoolGradient(geometry, x, dy, simd.pointer(out));
  return out;
}

/** The gradient of average pooling: shared by each window. */
export function simdAveragePoolGradient(call: PoolGradCall, simd: Simd): tf.TensorInfo {
  const out = allocateFloats(call.backend, call.inputs.input.shape);
  const geometry = simd.borrowStruct(GEOMETRY_BYTES, geometryFields(poolGeometry(call)));
  simd.run.averagePoolGradient(geometry, simd.pointer(call.inputs.dy), simd.pointer(out));
  return out;
}

function poolGeometry({ inputs, attrs }: PoolGradCall): ConvGeometry {
  const shape = inputs.input.shape as [number, number, number, number];
  const { filterSize, strides, pad } = attrs;
  const rounding = 'dimRoundingMode' in attrs ? attrs.dimRoundingMode : undefined;
  return tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, rounding);
}
