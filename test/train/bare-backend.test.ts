// Kernels stay for a whole process: nothing else may be in this file.

import * as tf from '@tensorflow/tfjs';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { createTask } from '../../src/train/create-task.js';
import '@tensorflow/tfjs-backend-wasm';
import { expect, test } from 'vitest';

test('diffs train on a wasm backend without registered kernels', async () => {
  await tf.setBackend('wasm');
  const model = tf.sequential({
    layers: [tf.layers.dense({ inputShape: [30], units: 40 }), tf.layers.dense({ units: 3 })],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const train = { xs: tf.randomNormal([64, 30], 0, 1, 'float32', 1), ys: tf.ones([64, 3]) };
  const options = { task: createTask(model), train, budget: 900, epochs: 2, fineTune: { epochs: 2 } };
  for (const run of [trainHashDiff, trainSparseDiff]) {
    expect((await run(options)).payload.length).toBeLessThanOrEqual(900);
  }
  expect(tf.getKernel('NeuralDiffAddAt', 'wasm')).toBeUndefined();
});
