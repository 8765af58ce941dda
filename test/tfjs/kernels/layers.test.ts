import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  expectClose,
  type Result,
  resultOnCpu,
  resultOnWasm,
  resultsOnCpu,
  resultsOnWasm,
  seededTensor,
  useTrainingKernels,
} from './both-backends.js';

type CallOptions = { training?: boolean };

/**
 * A layer's output and the gradients of a weighted sum of it by its input and its weights, then its weights.
 */
function differentiate(
  make: () => tf.layers.Layer,
  shape: number[],
  options: CallOptions = {},
): () => tf.Tensor[] {
  return () => {
    const layer = make();
    const x = seededTensor(1, shape);
    layer.apply(x);
    layer.setWeights(layer.getWeights().map((weight, i) => seedWeight(i, weight.shape)));
    const run = (input: tf.Tensor) => layer.call(input, options) as tf.Tensor;
    const output = run(x);
    const weigh = (y: tf.Tensor) => tf.sum(tf.mul(y, seededTensor(7, y.shape))) as tf.Scalar;
    const byInput = tf.grad((input) => weigh(run(input)))(x);
    const trainable = layer.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const { grads } = tf.variableGrads(() => weigh(run(x)), trainable);
    const state = layer.getWeights().map((weight) => weight.clone());
    const gradients = trainable.map((variable) => grads[variable.name] as tf.Tensor);
    layer.dispose();
    return [output, byInput, ...gradients, ...state];
  };
}

/** Positive, so that moving variances can be weights too. */
const seedWeight = (seed: number, shape: number[]): tf.Tensor =>
  tf.add(tf.mul(seededTensor(20 + seed, shape), 0.4), 0.5);

async function expectSameLayer(
  make: () => tf.layers.Layer,
  shape: number[],
  options?: CallOptions,
): Promise<void> {
  const work = differentiate(make, shape, options);
  const [wasm, cpu] = [await resultsOnWasm(work), await resultsOnCpu(work)];
  expect(wasm.length).toBe(cpu.length);
  wasm.forEach((result, i) => {
    expectClose(result, cpu[i] as Result, 3e-5);
  });
}

type Recurrent = Parameters<typeof tf.layers.gru>[0];

describe.each(['gru', 'lstm'] as const)('%s layers', (kind) => {
  const check = (shape: number[], args: Partial<Recurrent>) =>
    expectSameLayer(() => tf.layers[kind]({ units: 4, ...args } as never), shape);

  test.each([
    [[1, 2, 1], 1],
    [[2, 3, 5], 3],
    [[3, 7, 4], 8],
    [[5, 6, 3], 17],
  ])('see inputs of %j through %d units', async (shape, units) => {
    await check(shape, { units });
    await check(shape, { units, recurrentActivation: 'sigmoid' });
  });

  test('return sequences, go backwards, do without a bias', async () => {
    await check([2, 5, 3], { returnSequences: true });
    await check([2, 5, 3], { goBackwards: true });
    await check([2, 5, 3], { goBackwards: true, returnSequences: true, useBias: false });
  });

  test('go the old way with other activations', async () => {
    await check([2, 3, 3], { activation: 'relu' });
    await check([2, 3, 3], { recurrentActivation: 'linear' });
  });

  test('run in one kernel, unless dropout is in use', async () => {
    await tf.setBackend('wasm');
    useTrainingKernels();
    const ownKernels = async (args: object, training: boolean) => {
      const layer = tf.layers[kind]({ units: 4, ...args });
      const x = seededTensor(1, [2, 3, 5]);
      const { kernelNames } = await tf.profile(() => layer.apply(x, { training }) as tf.Tensor);
      return kernelNames.filter((name) => name.startsWith('NeuralDiff'));
    };
    const own = process.env.TRAINING_KERNELS === 'composed' ? [] : [expect.stringMatching(/Gru|Lstm/)];
    expect(await ownKernels({}, true)).toEqual(own);
    expect(await ownKernels({ dropout: 0.5 }, false)).toEqual(own);
    expect(await ownKernels({ dropout: 0.5 }, true)).toEqual([]);
  });

  test('refuse inputs of another width than their weights', async () => {
    await tf.setBackend('wasm');
    useTrainingKernels();
    const layer = tf.layers[kind]({ units: 4 });
    layer.apply(seededTensor(1, [2, 3, 5]));
    expect(() => layer.call(seededTensor(1, [2, 3, 9]), {})).toThrow();
    expect(() => layer.call(seededTensor(1, [2, 3, 2]), {})).toThrow();
  });

  test('keep states that are handed in and out', async () => {
    const work = () => {
      const layer = tf.layers[kind]({ units: 3, returnState: true });
      const x = seededTensor(1, [2, 4, 5]);
      layer.apply(x);
      layer.setWeights(layer.getWeights().map((weight, i) => seedWeight(i, weight.shape)));
      const outputs = layer.apply(x) as tf.Tensor[];
      layer.dispose();
      return outputs;
    };
    const [wasm, cpu] = [await resultsOnWasm(work), await resultsOnCpu(work)];
    expect(wasm.length).toBe(kind === 'gru' ? 2 : 3);
    wasm.forEach((result, i) => {
      expectClose(result, cpu[i] as Result, 3e-5);
    });
  });
});

describe('batch norm layers', () => {
  const shapes = [
    [5, 3],
    [4, 6, 8],
    [3, 5, 4, 7],
    [70, 9, 16],
  ];

  test.each(shapes.map((shape) => [shape]))('normalise %j in training and after', async (shape) => {
    await expectSameLayer(() => tf.layers.batchNormalization(), shape, { training: true });
    await expectSameLayer(() => tf.layers.batchNormalization({ epsilon: 0.1, momentum: 0.5 }), shape, {
      training: true,
    });
    await expectSameLayer(() => tf.layers.batchNormalization(), shape, { training: false });
  });

  // TensorFlow.js has no gradients for these two.
  test.each([
    [{ axis: 1 }, true],
    [{ center: false, scale: false }, false],
  ])('go the old way with %j', async (args, training) => {
    const work = () => {
      const layer = tf.layers.batchNormalization(args);
      const output = layer.apply(seededTensor(1, [3, 4, 5, 2]), { training }) as tf.Tensor;
      layer.dispose();
      return output;
    };
    expectClose(await resultOnWasm(work), await resultOnCpu(work));
  });
});

describe.each([
  ['GRU', () => tf.layers.gru({ units: 2, recurrentActivation: 'sigmoid' }), [2, 3, 2], true],
  ['batch norm', () => tf.layers.batchNormalization(), [5, 3], false],
] as const)('a %s layer', (_, make, shape, training) => {
  test('has gradients of gradients', async () => {
    const work = () => {
      const layer = make() as tf.layers.Layer;
      const x = seededTensor(1, shape);
      layer.apply(x);
      layer.setWeights(layer.getWeights().map((weight, i) => seedWeight(i, weight.shape)));
      const run = (input: tf.Tensor) => tf.sum(tf.square(layer.call(input, { training }) as tf.Tensor));
      const gradient = tf.grad((input: tf.Tensor) => tf.sum(tf.square(tf.grad(run)(input))));
      const result = gradient(x);
      layer.dispose();
      return [result];
    };
    const [[wasm], [cpu]] = [await resultsOnWasm(work), await resultsOnCpu(work)];
    expectClose(wasm as Result, cpu as Result, 1e-4);
  });
});

describe('gradients of rectifiers and clips', () => {
  /** Values on both sides of the bounds, on them, and far away, in a length that no vector divides. */
  const VALUES = [-7, -1, -0, 0, 1e-9, 0.5, 1, 2, 5.9999, 6, 6.0001, 40, -0.5];

  test.each<[string, (x: tf.Tensor) => tf.Tensor]>([
    ['relu', (x) => tf.relu(x)],
    ['relu6', (x) => tf.relu6(x)],
    ['clipByValue', (x) => tf.clipByValue(x, -0.5, 2)],
    ['hard swish', (x) => tf.mul(x, tf.div(tf.relu6(tf.add(x, 3)), 6))],
  ])('%s passes them within its bounds', async (_name, apply) => {
    const work = () => {
      const weigh = (x: tf.Tensor) => tf.sum(tf.mul(apply(x), seededTensor(1, [VALUES.length])));
      return tf.grad(weigh)(tf.tensor1d(VALUES));
    };
    expectClose(await resultOnWasm(work), await resultOnCpu(work));
  });
});
