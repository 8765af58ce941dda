import * as tf from '@tensorflow/tfjs';
import { createSeeds } from '../common/seeds.js';
import { PICTURE_SHAPE } from './data.js';

/** Convolutions; each halves the picture by its stride, which costs less than pooling. */
const CONVOLUTIONS = [
  { filters: 16, kernelSize: 5 },
  { filters: 32, kernelSize: 3 },
] as const;

const HIDDEN_UNITS = 80;

/**
 * Create an untrained classifier of pictures: two convolutions and two dense layers, as small networks for
 * this set are.
 *
 * @param classes outputs: a label each, of all updates to come
 * @param seed whole number that fixes the initial weights
 * @returns a model from `[batch, ...PICTURE_SHAPE]` to class probabilities
 */
export function createGarmentModel(classes: number, seed: number): tf.LayersModel {
  const nextSeed = createSeeds(seed);
  const input = tf.input({ shape: [...PICTURE_SHAPE] });
  const rectified = () => ({
    activation: 'relu' as const,
    kernelInitializer: tf.initializers.heNormal({ seed: nextSeed() }),
  });
  const layers = [
    ...CONVOLUTIONS.map((convolution, i) =>
      tf.layers.conv2d({ name: `conv${i + 1}`, strides: 2, padding: 'same', ...convolution, ...rectified() }),
    ),
    tf.layers.flatten(),
    tf.layers.dense({ name: 'hidden', units: HIDDEN_UNITS, ...rectified() }),
    tf.layers.dense({
      name: 'output',
      units: classes,
      activation: 'softmax',
      kernelInitializer: tf.initializers.glorotUniform({ seed: nextSeed() }),
    }),
  ];
  const output = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
  return tf.model({ inputs: input, outputs: output });
}
