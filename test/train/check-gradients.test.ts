import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import { checkNetworkGradients } from '../../src/train/check-gradients.js';
import { seededFloats } from '../support.js';

beforeAll(() => useBackend('wasm'));

/** Two dense layers with a function between them. */
function network(between: (x: tf.Tensor) => tf.Tensor) {
  const variable = (seed: number, shape: number[]) =>
    tf.variable(tf.tensor(seededFloats(seed, tf.util.sizeFromShape(shape)), shape));
  const [first, bias, last] = [variable(1, [5, 40]), variable(2, [40]), variable(3, [40, 3])] as const;
  const weights = [
    { name: 'first', variable: first, trainable: true },
    { name: 'bias', variable: bias, trainable: true },
    { name: 'last', variable: last, trainable: true },
  ];
  const run = ([x]: tf.Tensor[]) => [
    tf.softmax(tf.matMul(between(tf.add(tf.matMul(x as tf.Tensor, first), bias)), last)),
  ];
  return { weights, run };
}

/** A copy whose gradient is multiplied. */
const scaled = (factor: number) =>
  tf.customGrad((...given: unknown[]) => {
    const x = given[0] as tf.Tensor;
    return { value: tf.clone(x), gradFunc: (dy: tf.Tensor) => tf.mul(dy, factor) };
  });

const xs = () => [tf.tensor2d(seededFloats(4, 10), [2, 5])];

test('checkNetworkGradients() accepts right gradients and restores weights bit for bit', async () => {
  const tested = network(tf.relu6);
  const read = () => tested.weights.map(({ variable }) => variable.dataSync().slice());
  const before = read();
  await checkNetworkGradients(tested, xs(), ['out']);
  expect(read()).toEqual(before);
});

test('checkNetworkGradients() keeps no tensors', async () => {
  const [tested, inputs] = [network(tf.relu6), xs()];
  const before = tf.memory().numTensors;
  await checkNetworkGradients(tested, inputs, ['out']);
  expect(tf.memory().numTensors).toBe(before);
});

test.each([0.5, 1.3, -1])('checkNetworkGradients() refuses gradients multiplied by %d', async (factor) => {
  const checked = checkNetworkGradients(
    network((x) => scaled(factor)(x)),
    xs(),
    ['out'],
  );
  await expect(checked).rejects.toMatchObject({ code: 'unsupported-model' });
  await expect(checked).rejects.toThrow('gradients of "first" are wrong on the backend "wasm"');
});

test('checkNetworkGradients() refuses operations without a gradient', async () => {
  const refused = checkNetworkGradients(
    network((x) => tf.cumprod(x, 1)),
    xs(),
    ['out'],
  );
  await expect(refused).rejects.toMatchObject({ code: 'unsupported-model' });
  await expect(refused).rejects.toThrow('Cumprod');
});

test('checkNetworkGradients() refuses gradients that are not finite', async () => {
  const refused = checkNetworkGradients(
    network((x) => tf.sqrt(tf.mul(x, 0))),
    xs(),
    ['out'],
  );
  await expect(refused).rejects.toMatchObject({ code: 'unsupported-model' });
  await expect(refused).rejects.toThrow('not finite');
});

test('checkNetworkGradients() refuses outputs that are not finite', async () => {
  const refused = checkNetworkGradients(
    network((x) => tf.log(x)),
    xs(),
    ['out'],
  );
  await expect(refused).rejects.toMatchObject({ code: 'unsupported-model' });
  await expect(refused).rejects.toThrow('outputs [out] of two examples are not finite numbers');
});

test('checkNetworkGradients() refuses a network that the backend cannot run', async () => {
  const refused = checkNetworkGradients(
    network((x) => tf.matMul(x, tf.ones([3, 3]))),
    xs(),
    ['out'],
  );
  await expect(refused).rejects.toMatchObject({ code: 'unsupported-model' });
});
