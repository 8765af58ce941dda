import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  expectAgreement,
  resultOnWasm,
  runKernel,
  seededTensor,
  useTrainingKernels,
} from './both-backends.js';

interface Case {
  readonly batchA: number[];
  readonly batchB: number[];
  readonly size: [number, number, number];
}

const cases: Record<string, Case> = {
  'one product': { batchA: [], batchB: [], size: [33, 20, 17] },
  'a product of several blocks': { batchA: [], batchB: [], size: [70, 300, 265] },
  'a row by a matrix': { batchA: [], batchB: [], size: [1, 20, 17] },
  'a column by a row': { batchA: [], batchB: [], size: [9, 1, 7] },
  'a batch of one': { batchA: [1], batchB: [1], size: [5, 6, 7] },
  'a batch of tiny products': { batchA: [6], batchB: [6], size: [3, 4, 5] },
  'a batch of large products': { batchA: [3], batchB: [3], size: [30, 24, 21] },
  'a batch of two axes': { batchA: [2, 3], batchB: [2, 3], size: [30, 24, 21] },
  'a batch of ranks that differ': { batchA: [1, 4], batchB: [4], size: [30, 24, 21] },
  'a batch that is broadcast': { batchA: [4], batchB: [1], size: [30, 24, 21] },
  'batches that broadcast each other': { batchA: [3, 1], batchB: [1, 3], size: [30, 24, 21] },
};

const transpositions = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

function product(
  { batchA, batchB, size: [m, k, n] }: Case,
  transposeA: boolean,
  transposeB: boolean,
): tf.Tensor {
  const a = seededTensor(1, [...batchA, ...(transposeA ? [k, m] : [m, k])]);
  const b = seededTensor(2, [...batchB, ...(transposeB ? [n, k] : [k, n])]);
  return tf.matMul(a, b, transposeA, transposeB);
}

describe.each(Object.entries(cases))('batchMatMul() of %s', (_, c) => {
  test.each(transpositions)(
    'agrees with the cpu backend, a transposed: %s, b transposed: %s',
    async (a, b) => {
      await expectAgreement(() => product(c, a, b));
    },
  );
});

describe.each(['linear', 'relu', 'relu6', 'sigmoid', 'elu'] as const)('a fused product, %s', (activation) => {
  test.each([5, 33])('of %i rows agrees with the cpu backend', async (rows) => {
    const a = () => seededTensor(1, [rows, 20]) as tf.Tensor2D;
    const b = () => seededTensor(2, [20, 17]) as tf.Tensor2D;
    await expectAgreement(() => tf.fused.matMul({ a: a(), b: b(), bias: seededTensor(3, [17]), activation }));
    await expectAgreement(() => tf.fused.matMul({ a: a(), b: b(), activation }));
  });
});

test('a fused product follows weights that Adam has changed in place', async () => {
  const x = seededTensor(1, [3, 4]) as tf.Tensor2D;
  const weights = tf.variable(seededTensor(2, [4, 5])) as tf.Variable<tf.Rank.R2>;
  const gradient = seededTensor(4, [4, 5]);
  const optimizer = tf.train.adam(0.1);
  const step = () => optimizer.applyGradients([{ name: weights.name, tensor: gradient }]);
  const outputs = () => tf.tidy(() => Array.from(tf.fused.matMul({ a: x, b: weights }).dataSync()));
  await tf.setBackend('wasm');
  useTrainingKernels();
  const found = [outputs(), step(), outputs()];
  const expected = tf.tidy(() => Array.from(tf.fused.matMul({ a: x, b: tf.mul(weights, 1) }).dataSync()));
  expect(found[2]).toEqual(expected);
  expect(found[2]).not.toEqual(found[0]);
  tf.dispose([x, weights, gradient]);
  optimizer.dispose();
});

test('batchMatMul() multiplies one tensor under two shapes', async () => {
  await expectAgreement(() => {
    const b = seededTensor(1, [8, 16]);
    const first = tf.matMul(seededTensor(2, [8, 3]), b, true, false);
    const second = tf.matMul(seededTensor(3, [2, 5]), b.reshape([2, 64]), true, false);
    return tf.concat([first.flatten(), second.flatten()]);
  });
});

test('batchMatMul() refuses inner sizes that differ, in the words of tfjs', async () => {
  const inputs = () => ({ a: seededTensor(1, [4, 5]), b: seededTensor(2, [3, 6]) });
  const run = resultOnWasm(() => runKernel('BatchMatMul', inputs(), { transposeA: true, transposeB: false }));
  await expect(run).rejects.toThrow('must match');
});
