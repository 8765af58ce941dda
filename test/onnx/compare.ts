import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { Network } from '../../src/train/network.js';
import { type Inputs, loadOnnxRuntime } from '../runtimes/onnx-runtime.js';
import { seededFloats } from '../support.js';

/** ONNX Runtime; undefined on platforms without it. */
export const runOnnx = await loadOnnxRuntime();

/** @returns tensors as inputs of ONNX Runtime */
export function runtimeInputs({ inputNames }: Pick<Network, 'inputNames'>, xs: readonly tf.Tensor[]): Inputs {
  const valuesOf = (x: tf.Tensor): Float32Array | BigInt64Array | Uint8Array => {
    const values = x.dataSync();
    if (x.dtype === 'float32') return values as Float32Array;
    return x.dtype === 'bool' ? Uint8Array.from(values) : BigInt64Array.from(Array.from(values, BigInt));
  };
  return Object.fromEntries(
    inputNames.map((name, i) => [name, { shape: xs[i]!.shape, values: valuesOf(xs[i]!) }]),
  );
}

/** @returns the largest difference of two lists, relative to the largest number in the second */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  let [difference, size] = [0, 1e-6];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [found[i] as number, expected[i] as number];
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(a - b) || 0);
    size = Math.max(size, Math.abs(b) || 0);
  }
  return difference / size;
}

/** Compares the float outputs of a network with those of ONNX Runtime for the same file. */
export async function expectLikeRuntime(
  network: Network,
  model: string | Uint8Array,
  xs: readonly tf.Tensor[],
): Promise<void> {
  if (!runOnnx) return;
  const expected = await runOnnx(model, runtimeInputs(network, xs), 'basic');
  const outputs = tf.tidy(() => network.run([...xs], network.outputNames).map((y) => y.dataSync().slice()));
  network.outputNames.forEach((name, i) => {
    const floats = new Float32Array((expected[name] as Uint8Array).slice().buffer);
    expect({ name, error: relativeError(outputs[i]!, floats) }).toEqual({
      name,
      error: expect.toSatisfy((e) => e < 1e-4),
    });
  });
}

/** Relative error of a directional derivative in float32. */
const TOLERANCE = 2e-2;

/** Compares the gradient of each weight with differences of a probe of the outputs, in a random direction. */
export function expectGradients(network: Network, xs: readonly tf.Tensor[], step = 1e-2): void {
  const probe = (): tf.Scalar =>
    tf.tidy(() =>
      tf.addN(
        network.run([...xs], network.outputNames).map((y) => {
          const factors = tf.cos(tf.range(1, y.size + 1));
          return tf.sum(tf.mul(tf.reshape(tf.cast(y, 'float32'), [-1]), factors));
        }),
      ),
    ) as tf.Scalar;
  const { grads, value } = tf.variableGrads(
    probe,
    network.weights.map(({ variable }) => variable),
  );
  value.dispose();
  network.weights.forEach(({ name, variable }, i) => {
    const gradient = grads[variable.name];
    expect({ name, shape: gradient?.shape }).toEqual({ name, shape: variable.shape });
    const { found, expected, scale } = tf.tidy(() => {
      const direction = tf.tensor(seededFloats(i + 7, variable.size), variable.shape);
      const start = tf.clone(variable);
      const at = (by: number): number => {
        variable.assign(tf.add(start, tf.mul(direction, by)));
        return probe().dataSync()[0]!;
      };
      const expected = (at(step) - at(-step)) / (2 * step);
      variable.assign(start as tf.Tensor);
      const products = tf.mul(gradient!, direction);
      return { found: tf.sum(products).dataSync()[0]!, expected, scale: tf.norm(products).dataSync()[0]! };
    });
    const error = Math.abs(found - expected) / Math.max(scale, 1e-2);
    expect({ name, found, expected, error }).toEqual({
      name,
      found,
      expected,
      error: expect.toSatisfy((e) => e < TOLERANCE),
    });
  });
  tf.dispose(Object.values(grads));
}
