import type * as tf from '@tensorflow/tfjs';
import { type KernelCall, reshaped } from '../backend.js';

type IdentityCall = KernelCall<'x', unknown>;

/**
 * Shares the memory of a tensor with its clone. The stock kernel copies, also every weight and activation
 * that is kept for the backward pass.
 */
export function identity(call: IdentityCall, stock: (call: IdentityCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend } = call;
  if (inputs.x.dtype === 'string') return stock(call);
  backend.incRef(inputs.x.dataId);
  return reshaped(inputs.x, inputs.x.shape);
}
