import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { BLANK, ctcLoss } from '../../../examples/published-ocr/ctc.js';
import { useBackend } from '../../../src/entries/tfjs.js';
import { seededFloats } from '../../support.js';

const TIMES = 5;
const CLASSES = 4;

beforeAll(() => useBackend('wasm'));

/** @returns minus the logarithm of the probability of a word, as the sum over all ways to write it */
function enumerate(logits: Float32Array, word: readonly number[]): number {
  const rows = Array.from({ length: TIMES }, (_, t) => {
    const row = Array.from(logits.subarray(t * CLASSES, (t + 1) * CLASSES), Math.exp);
    const sum = row.reduce((a, b) => a + b);
    return row.map((each) => each / sum);
  });
  let total = 0;
  for (let path = 0; path < CLASSES ** TIMES; path++) {
    const classes = Array.from({ length: TIMES }, (_, t) => Math.floor(path / CLASSES ** t) % CLASSES);
    const letters = classes.filter((each, t) => each !== classes[t - 1] && each !== BLANK);
    if (letters.join() !== word.join()) continue;
    total += classes.reduce((product, each, t) => product * (rows[t]?.[each] as number), 1);
  }
  return -Math.log(total);
}

const WORDS = [[1, 2, 3], [2, 2], [3], []];
const LABELS = WORDS.map((word) => [...word, BLANK, BLANK, BLANK].slice(0, 3));
const VALUES = seededFloats(3, WORDS.length * TIMES * CLASSES).map((value) => 2 * value);

/** @returns the loss of each word */
function lossesOf(values: Float32Array): Float32Array {
  return tf.tidy(() => {
    const logits = tf.tensor(values, [WORDS.length, TIMES, CLASSES]);
    return ctcLoss(tf.tensor2d(LABELS, undefined, 'int32'), logits).dataSync() as Float32Array;
  });
}

test('ctcLoss() sums all ways to write a word', () => {
  const losses = lossesOf(VALUES);
  WORDS.forEach((word, i) => {
    const own = VALUES.subarray(i * TIMES * CLASSES, (i + 1) * TIMES * CLASSES);
    expect(losses[i]).toBeCloseTo(enumerate(own, word), 4);
  });
});

test('ctcLoss() has the gradient that differences show', () => {
  const gradient = tf.tidy(() => {
    const labels = tf.tensor2d(LABELS, undefined, 'int32');
    const slope = tf.grad((logits) => tf.sum(ctcLoss(labels, logits)));
    return slope(tf.tensor(VALUES, [WORDS.length, TIMES, CLASSES])).dataSync();
  });
  const step = 1e-2;
  for (let i = 0; i < VALUES.length; i++) {
    const moved = (by: number): number =>
      lossesOf(VALUES.map((value, k) => (k === i ? value + by : value))).reduce((a, b) => a + b);
    expect(gradient[i]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 2);
  }
});
