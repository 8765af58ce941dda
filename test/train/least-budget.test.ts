import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import type { NeuralDiffError } from '../../src/model/errors.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { createTinyTask, QUICK } from './tiny-task.js';

const { task, train } = await createTinyTask();
const full = await fineTune({ task, train, ...QUICK.fineTune, seed: QUICK.seed });
const settings = { task, train, ...QUICK, epochs: 1, fullFineTune: full };

test.each([
  ['hash', trainHashDiff],
  ['sparse', trainSparseDiff],
] as const)(
  'a budget that no %s diff meets is refused, and the one that is named works',
  async (_, trainer) => {
    for (const budget of [1, 40, 61]) await expectNamed(trainer, settings, budget);
  },
);

test('so it is for a model with an embedding', async () => {
  const seeded = tf.initializers.randomUniform({ minval: -0.2, maxval: 0.2, seed: 1 });
  const table = tf.layers.embedding({
    ...{ inputDim: 200, outputDim: 12, inputLength: 6, embeddingsInitializer: seeded },
  });
  const dense = tf.layers.dense({ units: 4, activation: 'softmax', kernelInitializer: seeded });
  const model = tf.sequential({ layers: [table, tf.layers.flatten(), dense] });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy' });
  const text = createTask(model);
  const xs = tf.floor(tf.randomUniform([256, 6], 0, 200, 'float32', 3));
  const words = { xs, ys: tf.oneHot(tf.cast(tf.mod(tf.max(xs, 1), 4), 'int32'), 4).toFloat() };
  const found = await fineTune({ task: text, train: words, ...QUICK.fineTune });
  const own = { ...settings, task: text, train: words, fullFineTune: found };
  for (const budget of [30, 62]) {
    await expectNamed(trainHashDiff, own, budget);
    await expectNamed(trainSparseDiff, own, budget);
  }
});

async function expectNamed(
  trainer: typeof trainHashDiff,
  options: Omit<Parameters<typeof trainHashDiff>[0], 'budget'>,
  budget: number,
): Promise<void> {
  const found = await trainer({ ...options, budget }).catch((error: unknown) => error);
  expect(found).toMatchObject({ code: 'budget-impossible', facts: { bytes: budget } });
  const least = Number((found as NeuralDiffError).facts.least);
  expect(least).toBeGreaterThan(budget);
  const { payload } = await trainer({ ...options, budget: least });
  expect(payload.length).toBeLessThanOrEqual(least);
}
