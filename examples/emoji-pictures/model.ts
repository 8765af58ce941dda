import * as tf from '@tensorflow/tfjs';
import { createSeeds } from '../common/seeds.js';
import { PICTURE_SHAPE } from './screen.js';

/** Channels of the first convolution, which halves the picture. */
const FIRST_FILTERS = 24;

/** Depthwise separable convolutions: channels out, and by what the picture shrinks. */
const BLOCKS = [
  { filters: 32, strides: 1 },
  { filters: 64, strides: 2 },
  { filters: 64, strides: 1 },
  { filters: 128, strides: 2 },
  { filters: 128, strides: 1 },
  { filters: 256, strides: 2 },
  { filters: 256, strides: 1 },
] as const;

/**
 * Create an untrained classifier of pictures, a small MobileNet (Howard et al., "MobileNets: Efficient
 * Convolutional Neural Networks for Mobile Vision Applications", 2017).
 *
 * @param classes outputs: a label each
 * @param seed whole number that fixes the initial weights
 * @returns a model from `[batch, ...PICTURE_SHAPE]` to class probabilities
 */
export function createEmojiModel(classes: number, seed: number): tf.LayersModel {
  const nextSeed = createSeeds(seed);
  const heNormal = () => tf.initializers.heNormal({ seed: nextSeed() });
  const normalised = (name: string, layer: tf.layers.Layer) => [
    layer,
    tf.layers.batchNormalization({ name: `${name}_norm`, momentum: 0.9 }),
    tf.layers.reLU({ name: `${name}_relu` }),
  ];
  const shared = { padding: 'same', useBias: false } as const;
  const input = tf.input({ shape: [...PICTURE_SHAPE] });
  const first = { name: 'conv', filters: FIRST_FILTERS, kernelSize: 3, strides: 2, ...shared };
  const layers = [
    ...normalised('conv', tf.layers.conv2d({ ...first, kernelInitializer: heNormal() })),
    ...BLOCKS.flatMap(({ filters, strides }, i) => {
      const [deep, point] = [`deep${i + 1}`, `point${i + 1}`];
      const depthwise = { name: deep, kernelSize: 3, strides, ...shared, depthwiseInitializer: heNormal() };
      const pointwise = { name: point, filters, kernelSize: 1, ...shared, kernelInitializer: heNormal() };
      return [
        ...normalised(deep, tf.layers.depthwiseConv2d(depthwise)),
        ...normalised(point, tf.layers.conv2d(pointwise)),
      ];
    }),
    tf.layers.globalAveragePooling2d({}),
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
