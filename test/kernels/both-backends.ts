import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'vitest';
import { registerTrainingKernels } from '../../src/kernels/index.js';
import { seededFloats } from './seeded.js';

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

export async function resultOnCpu(work: () => tf.Tensor): Promise<Result> {
  await tf.setBackend('cpu');
  return tidied(work);
}

/** The result on the wasm backend, after a check that nothing but the result was left on its heap. */
export async function resultOnWasm(work: () => tf.Tensor): Promise<Result> {
  await tf.setBackend('wasm');
  registerTrainingKernels();
  const before = tf.backend().numDataIds();
  const result = tidied(work);
  expect(tf.backend().numDataIds()).toBe(before);
  return result;
}

function tidied(work: () => tf.Tensor): Result {
  const tensor = tf.tidy(work);
  const result = { shape: tensor.shape, values: tensor.dataSync() };
  tensor.dispose();
  return result;
}

export async function expectAgreement(work: () => tf.Tensor): Promise<void> {
  expectClose(await resultOnWasm(work), await resultOnCpu(work));
}

/** Errors are measured against the largest magnitude: sums of other order may lose small values among large ones. */
export function expectClose(actual: Result, expected: Result): void {
  expect(actual.shape).toEqual(expected.shape);
  let largest = 0;
  let error = 0;
  for (let i = 0; i < expected.values.length; i++) {
    largest = Math.max(largest, Math.abs(expected.values[i]!));
    const difference = Math.abs(actual.values[i]! - expected.values[i]!);
    error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(error, difference);
  }
  expect(error).toBeLessThanOrEqual(1e-5 * largest);
}
