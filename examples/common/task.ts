import * as tf from '@tensorflow/tfjs';
import { openFolder } from 'neural-diff/node';
import { loadModel, useBackend } from 'neural-diff/tfjs';
import { createTask, type Task } from 'neural-diff/train';
import type { Examples } from './staged-examples.js';

/**
 * Puts examples onto the backend of this thread.
 *
 * @param classes outputs of the model
 * @returns tensors that the caller disposes, as the model takes them; labels are one-hot
 */
export function toArrays(examples: Examples, classes: number): { xs: tf.Tensor; ys: tf.Tensor } {
  const xs = tf.tensor(examples.features, [examples.count, ...examples.shape]);
  const ys = tf.tidy(() => tf.oneHot(tf.tensor1d(examples.labels, 'int32'), classes).toFloat());
  return { xs, ys };
}

/** Loads a classifier from a folder, ready to be trained and measured. */
export async function openTask(folder: string): Promise<{ model: tf.LayersModel; task: Task }> {
  await useBackend('wasm');
  const files = await openFolder(folder);
  try {
    const model = await loadModel(files);
    model.compile({ optimizer: tf.train.adam(), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
    return { model, task: createTask(model) };
  } finally {
    await files.close();
  }
}

/** @returns the bytes of a task's weights as float32: what shipping the whole model takes */
export function float32Bytes({ weights }: Task): number {
  return weights.reduce((sum, { variable }) => sum + 4 * variable.size, 0);
}
