import type * as tf from '@tensorflow/tfjs';
import {
  borrowFloats,
  type KernelCall,
  runKernel,
  type Scratch,
  sizeOf,
  type WasmBackend,
  withScratch,
} from '../backend.js';

export type BatchNormCall = KernelCall<'x' | 'mean' | 'variance', tf.FusedBatchNormAttrs> & {
  readonly inputs: { readonly scale?: tf.TensorInfo; readonly offset?: tf.TensorInfo };
};

/** Normalizes by channel with three vectorized broadcasts over whole tensors instead of a scalar loop. */
export function batchNorm(call: BatchNormCall, stock: (call: BatchNormCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend } = call;
  if (!isByChannel(call)) return stock(call);
  const { mean, offset } = inputs;
  return withScratch(backend, (scratch) => {
    const centred = scratch.run('Sub', { a: inputs.x, b: mean });
    const factor = channelFactors(backend, scratch, call);
    const product = { inputs: { a: centred, b: factor } };
    if (!offset) return runKernel(backend, 'Multiply', product);
    const a = scratch.run('Multiply', product.inputs);
    return runKernel(backend, 'Add', { inputs: { a, b: offset } });
  });
}

/** @returns whether each parameter has one value per channel, and `x` is not empty */
export function isByChannel({ inputs }: BatchNormCall): boolean {
  const { x, mean, variance, scale, offset } = inputs;
  const channels = x.shape.at(-1) ?? 0;
  const fits = (parameter: tf.TensorInfo | undefined): boolean =>
    !parameter || (parameter.shape.length === 1 && sizeOf(parameter.shape) === channels);
  return sizeOf(x.shape) > 0 && [mean, variance, scale, offset].every(fits);
}

function channelFactors(
  backend: WasmBackend,
  scratch: Scratch,
  { inputs, attrs }: BatchNormCall,
): tf.TensorInfo {
  const factors = scratch.allocate(inputs.variance.shape);
  const variance = borrowFloats(backend, inputs.variance);
  const scale = inputs.scale && borrowFloats(backend, inputs.scale);
  borrowFloats(backend, factors).set(
    variance.map((value, i) => (scale?.[i] ?? 1) / Math.sqrt(value + attrs.varianceEpsilon)),
  );
  return factors;
}
