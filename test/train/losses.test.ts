import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import { hitsOf, LOSS_NAMES, lossOf } from '../../src/train/losses.js';

beforeAll(() => useBackend('cpu'));

const LABELS = {
  categoricalCrossentropy: () => tf.tensor2d([0, 1, 0, 1, 0, 0], [2, 3]),
  sparseCategoricalCrossentropy: () => tf.tensor1d([1, 0], 'int32'),
  binaryCrossentropy: () => tf.tensor2d([0, 1, 0, 1, 0, 0], [2, 3]),
  meanSquaredError: () => tf.tensor2d([0, 1, 0, 1, 0, 0], [2, 3]),
};

test.each(LOSS_NAMES)('%s of logits equals that of their probabilities', (name) => {
  const logits = tf.tensor2d([0.5, -1, 2, 3, 0, -2], [2, 3]);
  const activate = name === 'binaryCrossentropy' ? tf.sigmoid : (x: tf.Tensor) => tf.softmax(x);
  const probabilities = name === 'meanSquaredError' ? logits : activate(logits);
  const labels = LABELS[name]();
  const [fromLogits, fromProbabilities] = [
    lossOf(name, 'logits')(labels, logits).dataSync(),
    lossOf(name, 'probabilities')(labels, probabilities).dataSync(),
  ];
  fromLogits.forEach((loss, i) => {
    expect(loss).toBeCloseTo(fromProbabilities[i] as number, 5);
  });
});

test('cross-entropies of sure mistakes are finite and have gradients', () => {
  const labels = tf.tensor2d([1, 0], [1, 2]);
  const gradient = tf.grad((logits) => tf.mean(lossOf('binaryCrossentropy', 'logits')(labels, logits)));
  const found = gradient(tf.tensor2d([-200, 200], [1, 2])).dataSync();
  expect([...found]).toEqual([-0.5, 0.5]);
});

test('an unknown loss is refused', () => {
  // @ts-expect-error: no loss of this name
  expect(() => lossOf('hinge', 'values')).toThrow('Cannot use loss "hinge"');
});

test('labels of hits are rows, numbers of classes, or the second of two classes', () => {
  const outputs = tf.tensor2d([0.1, 0.7, 0.2, 0.9, 0.1, 0], [2, 3]);
  const rows = tf.tensor2d([0, 1, 0, 0, 1, 0], [2, 3]);
  expect([...hitsOf(rows, outputs, 'probabilities').dataSync()]).toEqual([1, 0]);
  expect([...hitsOf(tf.tensor1d([1, 1], 'int32'), outputs, 'probabilities').dataSync()]).toEqual([1, 0]);
  const scores = tf.tensor2d([0.3, -0.2], [2, 1]);
  expect([...hitsOf(tf.tensor1d([1, 0]), scores, 'logits').dataSync()]).toEqual([1, 1]);
  expect([...hitsOf(tf.tensor1d([1, 0]), scores, 'probabilities').dataSync()]).toEqual([0, 1]);
});
