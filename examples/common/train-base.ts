import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { modelFiles } from 'neural-diff/tfjs';
import type { Examples } from './staged-examples.js';
import { toArrays } from './task.js';

/** How much a model is trained, and how fast. */
export interface TrainingPlan {
  readonly epochs: number;
  readonly learningRate: number;
  readonly batchSize: number;
}

/** How a base model is trained: once, long ago, on a server. */
export interface BaseTraining extends TrainingPlan {
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEpoch?: (epoch: number, accuracy: number) => void;
}

/**
 * Compiles an untrained classifier and trains it with Adam, whose learning rate falls along half a cosine.
 * Equal options give equal weights.
 *
 * @param model from examples to class probabilities
 * @throws the signal's reason
 */
export async function trainBase(
  model: tf.LayersModel,
  train: Examples,
  options: BaseTraining,
): Promise<void> {
  const { epochs, learningRate, batchSize, seed } = options;
  const optimizer = tf.train.adam(learningRate);
  model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const classes = model.outputs[0]?.shape.at(-1) as number;
  const { xs, ys } = shuffled(toArrays(train, classes), seed);
  const halfCosine = (epoch: number): void => {
    const rate = learningRate * 0.5 * (1 + Math.cos((Math.PI * epoch) / epochs));
    (optimizer as unknown as { learningRate: number }).learningRate = rate;
  };
  const callbacks: tf.CustomCallbackArgs = {
    onEpochBegin: async (epoch) => halfCosine(epoch),
    onBatchEnd: async () => options.signal?.throwIfAborted(),
    onEpochEnd: async (epoch, logs) => options.onEpoch?.(epoch, logs?.acc ?? 0),
  };
  try {
    // The order is shuffled once, by seed: `fit` itself would shuffle by chance.
    await model.fit(xs, ys, { epochs, batchSize, shuffle: false, verbose: 0, callbacks });
  } finally {
    tf.dispose([xs, ys]);
  }
}

function shuffled(data: ReturnType<typeof toArrays>, seed: number): { xs: tf.Tensor; ys: tf.Tensor } {
  const { xs, ys } = data;
  const keys = tf.tidy(() => tf.randomUniform([xs.shape[0] as number], 0, 1, 'float32', seed).dataSync());
  const order = Int32Array.from(keys.keys()).sort((a, b) => (keys[a] as number) - (keys[b] as number));
  const indexes = tf.tensor1d(order, 'int32');
  const result = { xs: tf.gather(xs, indexes), ys: tf.gather(ys, indexes) };
  tf.dispose([xs, ys, indexes]);
  return result;
}

/** Saves a model as devices have it: a LayersModel folder. */
export async function saveModel(model: tf.LayersModel, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [path, bytes] of await modelFiles(model)) await writeFile(join(folder, path), bytes);
}
