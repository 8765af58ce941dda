import * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type KernelCall } from '../backend.js';
import { activeSimd, registerOwnKernel, runOwnKernel } from '../own-kernels.js';

/**
 * Adds values to some elements of a tensor.
 *
 * @param weights float32 of any shape
 * @param positions row-major indices, each at most once
 * @param values one per position
 * @returns a new tensor of the same shape
 */
export function addAt(weights: tf.Tensor, positions: Uint32Array, values: Float32Array): tf.Tensor {
  if (activeSimd()) {
    return runOwnKernel('NeuralDiffAddAt', { weights }, { positions, values })[0] as tf.Tensor;
  }
  const result = weights.dataSync().slice() as Float32Array;
  scatter(result, positions, values);
  return tf.tensor(result, weights.shape);
}

/**
 * Gathers some elements of a tensor.
 *
 * @param positions row-major indices
 * @returns one value per position
 */
export function takeAt(values: tf.Tensor, positions: Uint32Array): tf.Tensor1D {
  if (activeSimd()) return runOwnKernel('NeuralDiffTakeAt', { values }, { positions })[0] as tf.Tensor1D;
  return tf.tensor1d(
    gather(new Float32Array(positions.length), values.dataSync() as Float32Array, positions),
  );
}

function gather(target: Float32Array, source: Float32Array, positions: Uint32Array): Float32Array {
  for (let i = 0; i < positions.length; i++) target[i] = source[positions[i] as number] as number;
  return target;
}

function scatter(target: Float32Array, positions: Uint32Array, values: Float32Array): void {
  for (let i = 0; i < positions.length; i++) {
    const place = positions[i] as number;
    target[place] = (target[place] as number) + (values[i] as number);
  }
}

/** Registers the kernels behind `addAt` and `takeAt`, which work on the backend's memory. */
export function registerSparseKernels(): void {
  registerOwnKernel('NeuralDiffAddAt', runAdd);
  registerOwnKernel('NeuralDiffTakeAt', runTake);
}

function runAdd({
  inputs,
  backend,
  attrs,
}: KernelCall<'weights', { positions: Uint32Array; values: Float32Array }>): tf.TensorInfo[] {
  const out = allocateFloats(backend, inputs.weights.shape);
  const target = borrowFloats(backend, out);
  target.set(borrowFloats(backend, inputs.weights));
  scatter(target, attrs.positions, attrs.values);
  return [out];
}

function runTake({
  inputs,
  backend,
  attrs: { positions },
}: KernelCall<'values', { positions: Uint32Array }>): tf.TensorInfo[] {
  const out = allocateFloats(backend, [positions.length]);
  gather(borrowFloats(backend, out), borrowFloats(backend, inputs.values), positions);
  return [out];
}
