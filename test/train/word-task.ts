import * as tf from '@tensorflow/tfjs';
import { createTask } from '../../src/train/create-task.js';
import type { TrainDiffOptions } from '../../src/train/train-diff.js';

export const WORDS = 400;
export const LENGTH = 6;

/** Sentences of words, half of the vocabulary, and which of four classes most of them belong to. */
function sentences(count: number, seed: number, shift = 0) {
  const words = tf.tidy(() =>
    tf.cast(tf.floor(tf.randomUniform([count, LENGTH], 0, WORDS / 2, 'float32', seed)), 'int32'),
  );
  const ys = tf.tidy(() => {
    const classes = tf.mod(tf.add(words, tf.scalar(shift, 'int32')), tf.scalar(4, 'int32'));
    return tf.cast(tf.oneHot(tf.argMax(tf.sum(tf.oneHot(classes, 4), 1), 1), 4), 'float32');
  });
  const xs = tf.cast(words, 'float32');
  words.dispose();
  return { xs, ys };
}

/** @returns a base that knows another meaning of the words, and what it is to learn */
export async function createWordTask(): Promise<TrainDiffOptions> {
  const seeded = (seed: number) => tf.initializers.randomUniform({ minval: -0.2, maxval: 0.2, seed });
  const table = { name: 'words', inputDim: WORDS, outputDim: 12, embeddingsInitializer: seeded(1) };
  const model = tf.sequential({
    layers: [
      tf.layers.embedding({ ...table, inputLength: LENGTH }),
      tf.layers.flatten(),
      tf.layers.dense({ name: 'output', units: 4, activation: 'softmax', kernelInitializer: seeded(2) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const old = sentences(512, 1);
  await model.fit(old.xs, old.ys, { epochs: 4, verbose: 0, shuffle: false });
  const settings = { epochs: 12, batchSize: 32, fineTune: { epochs: 6, learningRate: 0.01 }, seed: 3 };
  return {
    task: createTask(model),
    train: sentences(1_024, 3, 1),
    validation: sentences(256, 5, 1),
    budget: '3%',
    ...settings,
  };
}
