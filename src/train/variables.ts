import * as tf from '@tensorflow/tfjs';
import type { Values } from './part.js';

/** @returns a variable that starts from some values; the array stays the caller's */
export function createVariable(values: Float32Array): tf.Variable {
  // The backend may keep the array it is given, and a variable has a handle of its own: the tensor must go.
  return tf.tidy(() => tf.variable(tf.tensor1d(values.slice())));
}

/** @returns variables full of zeros, as long as some arrays */
export function zeroVariables(like: Values): Map<string, tf.Variable> {
  return new Map([...like].map(([name, values]) => [name, createVariable(new Float32Array(values.length))]));
}

/** @returns a copy of a tensor's float32 values, each times a factor */
export function readScaled(tensor: tf.Tensor, factor: number): Float32Array {
  const values = readFloats(tensor);
  for (let i = 0; i < values.length; i++) values[i] = factor * (values[i] as number);
  return values;
}

/** @returns a copy of a tensor's float32 values */
export function readFloats(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync().slice() as Float32Array;
}
