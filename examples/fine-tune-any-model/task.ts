import * as tf from '@tensorflow/tfjs';
import { openFolder } from 'neural-diff/node';
import { loadModel, namedWeights } from 'neural-diff/tfjs';
import { type ArrayData, createTask, type Task } from 'neural-diff/train';
import { CLASSES, drawPicture, labelsOf, PICTURE_SIZE, type PictureSet } from './pictures.js';

/**
 * The last layer that the update leaves alone. All layers before it are frozen; those after it form a chain.
 */
const LAST_FROZEN = 'block_16_project_BN';

/** Pictures that go through the model at once. */
const BATCH_SIZE = 8;

/** Loads a model from its folder. */
export async function loadFolder(folder: string): Promise<tf.LayersModel> {
  const files = await openFolder(folder);
  try {
    return await loadModel(files);
  } finally {
    await files.close();
  }
}

/** A model that is cut in two: what stays as it is, and what is trained. */
export interface SplitModel {
  /** From pictures to features. */
  readonly frozen: tf.LayersModel;
  /** From features to classes, as a task over the weights of the whole model. */
  readonly task: Task;
}

/**
 * Cuts a model where training begins, so that pictures pass the frozen layers once and not in every epoch.
 * Both parts share their layers with the model; a payload for the whole model comes out of training the
 * second.
 */
export function splitModel(model: tf.LayersModel): SplitModel {
  const end = model.layers.findIndex(({ name }) => name === LAST_FROZEN);
  for (const layer of model.layers.slice(0, end + 1)) layer.trainable = false;
  const features = (model.layers[end] as tf.layers.Layer).output as tf.SymbolicTensor;
  const frozen = tf.model({ inputs: model.inputs, outputs: features });
  const input = tf.input({ shape: features.shape.slice(1) });
  const output = model.layers
    .slice(end + 1)
    .reduce((tensor, layer) => layer.apply(tensor) as tf.SymbolicTensor, input);
  const trained = tf.model({ inputs: input, outputs: output });
  trained.compile({ optimizer: tf.train.adam(), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return { frozen, task: { ...createTask(trained), weights: namedWeights(model) } };
}

/** Draws a set and runs a model over it, a few pictures at a time. */
export async function predictSet(model: tf.LayersModel, set: PictureSet): Promise<tf.Tensor> {
  const parts: tf.Tensor[] = [];
  for (let done = 0; done < set.count; done += BATCH_SIZE) {
    const count = Math.min(BATCH_SIZE, set.count - done);
    parts.push(
      tf.tidy(() => model.predict(drawBatch({ ...set, first: set.first + done, count })) as tf.Tensor),
    );
    await tf.nextFrame();
  }
  const all = tf.concat(parts);
  tf.dispose(parts);
  return all;
}

function drawBatch({ seed, first, count }: PictureSet): tf.Tensor {
  const pictures = Array.from({ length: count }, (_, i) => drawPicture(seed, first + i));
  const shape = [PICTURE_SIZE, PICTURE_SIZE, 3];
  return tf.stack(pictures.map(({ pixels }) => tf.tensor(pixels, shape)));
}

/** @returns the set as the second part of a split model takes it */
export async function toFeatures({ frozen }: SplitModel, set: PictureSet): Promise<ArrayData> {
  const xs = await predictSet(frozen, set);
  const ys = tf.tidy(() => tf.oneHot(tf.tensor1d(labelsOf(set), 'int32'), CLASSES.length).toFloat());
  return { xs, ys };
}

/** @returns the share of a set that a whole model names rightly */
export async function measureAccuracy(model: tf.LayersModel, set: PictureSet): Promise<number> {
  const outputs = await predictSet(model, set);
  const correct = tf.tidy(() =>
    outputs
      .argMax(-1)
      .equal(tf.tensor1d(labelsOf(set), 'int32'))
      .sum()
      .dataSync(),
  );
  outputs.dispose();
  return (correct[0] as number) / set.count;
}
