import type * as tf from '@tensorflow/tfjs';
import { openLiveModel } from 'neural-diff/tfjs';
import { createStreamModel } from '../../../examples/streaming-keywords/model.js';
import { CLASSES } from '../../../examples/streaming-keywords/vocabulary.js';
import { copyModel } from '../../../src/model/store.js';
import type { Model } from '../../../src/model/tensor.js';
import { seededFloats } from '../../support.js';

/** @returns an untrained network of two small branches; the fast one is factorised */
export function createSmallModel(seed = 1): tf.LayersModel {
  const branches = { full: { units: 16 }, fast: { units: 12, rank: 2 } };
  return createStreamModel({ branches, classes: CLASSES.length, seed });
}

/** @returns the weights of such a network, biases that are not zero included */
export async function smallWeights(seed = 1): Promise<Model> {
  const model = createSmallModel(seed);
  const copy = await copyModel(openLiveModel(model));
  model.dispose();
  const tensors = copy.tensors.map((tensor, i) => {
    if (!tensor.name.endsWith('/bias')) return tensor;
    const bytes = new Uint8Array(seededFloats(seed + i, tensor.bytes.length / 4).map((x) => x / 4).buffer);
    return { ...tensor, bytes };
  });
  return { tensors };
}

/** Sets the weights of a network to those of a model. */
export async function setModel(model: tf.LayersModel, { tensors }: Model): Promise<void> {
  const live = openLiveModel(model);
  for (const { name, bytes } of tensors) await live.write(name, 0, bytes);
  await live.flush();
}

/** @returns a copy of the weights by name, as the plain engine takes them */
export function weightsOf(model: Model): Map<string, Float32Array> {
  return new Map(model.tensors.map(({ name, bytes }) => [name, new Float32Array(bytes.slice().buffer)]));
}
