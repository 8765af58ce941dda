import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import type { ArrayData } from '../../src/train/data.js';
import type { Task } from '../../src/train/task.js';

/** A little classification problem whose update has something to learn. */
export interface TinyTask {
  readonly model: tf.LayersModel;
  readonly task: Task;
  readonly train: ArrayData;
  readonly validation: ArrayData;
}

const FEATURES = 16;
const CLASSES = 4;

/** Makes points around seeded centres; the update has twice as many centres as the base knows. */
function points(count: number, centreCount: number, seed: number): ArrayData {
  const centres = tf.randomNormal([2 * CLASSES, FEATURES], 0, 1, 'float32', 5);
  const which = tf.tidy(() =>
    tf.cast(tf.floor(tf.randomUniform([count], 0, centreCount, 'float32', seed)), 'int32'),
  );
  const xs = tf.tidy(() =>
    tf.add(tf.gather(centres, which), tf.randomNormal([count, FEATURES], 0, 0.7, 'float32', seed + 1)),
  );
  const ys = tf.tidy(() =>
    tf.cast(tf.oneHot(tf.mod(which, tf.scalar(CLASSES, 'int32')), CLASSES), 'float32'),
  );
  tf.dispose([centres, which]);
  return { xs, ys };
}

/** @returns a trained base with 1,700 weights and the data of its update; the same every time */
export async function createTinyTask(): Promise<TinyTask> {
  await useBackend('wasm');
  const dense = (units: number, seed: number, activation: 'relu' | 'softmax', name: string) =>
    tf.layers.dense({ units, activation, name, kernelInitializer: tf.initializers.heNormal({ seed }) });
  const input = tf.input({ shape: [FEATURES] });
  const hidden = dense(48, 1, 'relu', 'hidden').apply(input);
  const norm = tf.layers.batchNormalization({ name: 'norm' }).apply(hidden);
  const middle = dense(16, 2, 'relu', 'middle').apply(norm);
  const output = dense(CLASSES, 3, 'softmax', 'output').apply(middle) as tf.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: output });
  model.compile({ optimizer: tf.train.adam(0.01), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const known = points(256, CLASSES, 10);
  await model.fit(known.xs as tf.Tensor, known.ys as tf.Tensor, { epochs: 5, verbose: 0, shuffle: false });
  return {
    model,
    task: createTask(model),
    train: points(384, 2 * CLASSES, 20),
    validation: points(256, 2 * CLASSES, 30),
  };
}

/** Settings that train in a second. */
export const QUICK = { epochs: 6, batchSize: 32, fineTune: { epochs: 4 }, seed: 7 } as const;
