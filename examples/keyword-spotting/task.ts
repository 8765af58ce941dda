import * as tf from '@tensorflow/tfjs';
import { openFolder } from 'neural-diff/node';
import { loadModel, useBackend } from 'neural-diff/tfjs';
import { type ArrayData, createTask, type Task } from 'neural-diff/train';
import { CLIP_SHAPE } from './model.js';
import type { Clips } from './staged-clips.js';

/** @returns a set of clips as the tensors that the model takes */
export function toArrays(clips: Clips, classes: number): ArrayData {
  const xs = tf.tensor(clips.features, [clips.count, ...CLIP_SHAPE]);
  const ys = tf.tidy(() => tf.oneHot(tf.tensor1d(clips.labels, 'int32'), classes).toFloat());
  return { xs, ys };
}

/** Loads a keyword spotter from a folder, ready to be trained and measured. */
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
