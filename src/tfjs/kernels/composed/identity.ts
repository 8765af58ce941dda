import type * as tf from '@tensorflow/tfjs';
import { type KernelCall, reshaped, type WasmBackend } from '../backend.js';

type IdentityCall = KernelCall<'x', unknown>;

/**
 * Shares the memory of a tensor with its clone. The stock kernel copies, also every weight and activation
 * that is kept for the backward pass.
 */
export function identity(call: IdentityCall, stock: (call: IdentityCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend } = call;
  return inputs.x.dtype === 'string' ? stock(call) : share(backend, inputs.x, inputs.x.shape);
}

type TransposeCall = KernelCall<'x', { perm: readonly number[] }>;

/**
 * Shares the memory of a tensor whose elements keep their order, as gradients of gathers do. Some without
 * elements divide by zero in the stock kernel.
 */
export function transpose(call: TransposeCall, stock: (call: TransposeCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const { shape, dtype } = inputs.x;
  const moved = attrs.perm.filter((axis) => shape[axis] !== 1);
  const keepsOrder = moved.every((axis, i) => i === 0 || axis > (moved[i - 1] as number));
  if (dtype === 'string' || !(keepsOrder || shape.includes(0))) return stock(call);
  const permuted = attrs.perm.map((axis) => shape[axis] as number);
  return share(backend, inputs.x, permuted);
}

function share(backend: WasmBackend, tensor: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  backend.incRef(tensor.dataId);
  return reshaped(tensor, shape);
}
