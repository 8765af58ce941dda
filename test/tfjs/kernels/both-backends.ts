import * as tf from '@tensorflow/tfjs';
import { registerTrainingKernels } from '../../../src/tfjs/kernels/register.js';
import { seededFloats } from './seeded.js';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'vitest';

export interface Result {
  readonly shape: number[];
  readonly values: ArrayLike<number>;
}

export type Inputs = Readonly<Record<string, tf.Tensor>>;
export type Attrs = Readonly<Record<string, unknown>>;

export function seededTensor(seed: number, shape: readonly number[]): tf.Tensor {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return tf.tensor(seededFloats(seed, size), [...shape]);
}

/** Runs one kernel through the engine of the current backend. */
export function runKernel(kernelName: string, inputs: Inputs, attrs: Attrs = {}): tf.Tensor {
  return tf.engine().runKernel(kernelName, { ...inputs }, attrs as tf.NamedAttrMap) as tf.Tensor;
}

/** Registers the kernels under test: with SIMD, or composed ones where the environment says so. */
export function useTrainingKernels(): void {
  registerTrainingKernels({ simd: process.env.TRAINING_KERNELS !== 'composed' });
}

export async function resultsOnCpu(work: () => tf.Tensor[]): Promise<Result[]> {
  await tf.setBackend('cpu');
  return tidied(work);
}

export async function resultOnCpu(work: () => tf.Tensor): Promise<Result> {
  const [result] = await resultsOnCpu(() => [work()]);
  return result as Result;
}

/** The results on the wasm backend, after a check that nothing but the results was left on its heap. */
export async function resultsOnWasm(work: () => tf.Tensor[]): Promise<Result[]> {
  await tf.setBackend('wasm');
  useTrainingKernels();
  const before = tf.backend().numDataIds();
  const results = tidied(work);
  expect(tf.backend().numDataIds()).toBe(before);
  return results;
}

export async function resultOnWasm(work: () => tf.Tensor): Promise<Result> {
  const [result] = await resultsOnWasm(() => [work()]);
  return result as Result;
}

function tidied(work: () => tf.Tensor[]): Result[] {
  const tensors = tf.tidy(work);
  const results = tensors.map((tensor) => ({ shape: tensor.shape, values: tensor.dataSync() }));
  tf.dispose(tensors);
  return results;
}

export async function expectAgreement(work: () => tf.Tensor): Promise<void> {
  expectClose(await resultOnWasm(work), await resultOnCpu(work));
}

/**
 * Errors are measured against the largest magnitude: sums of other order may lose small values among large
 * ones.
 */
export function expectClose(actual: Result, expected: Result, tolerance = 1e-5): void {
  expect(actual.shape).toEqual(expected.shape);
  let largest = 0;
  let error = 0;
  for (let i = 0; i < expected.values.length; i++) {
    largest = Math.max(largest, Math.abs(expected.values[i]!));
    const difference = Math.abs(actual.values[i]! - expected.values[i]!);
    error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(error, difference);
  }
  expect(error).toBeLessThanOrEqual(tolerance * largest);
}
