import * as tf from '@tensorflow/tfjs';
import { createRandom } from '../../src/train/random.js';

/** A network whose training is timed. */
export interface BenchModel {
  readonly name: 'mlp' | 'cnn' | 'dscnn' | 'gru' | 'lstm';
  readonly title: string;
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly layers: () => tf.layers.Layer[];
}

const softmax = (units: number) => tf.layers.dense({ units, activation: 'softmax' });

/** Normalised and rectified, as a separable convolution's stages are. */
const stage = (layer: tf.layers.Layer) => [layer, tf.layers.batchNormalization(), tf.layers.reLU()];

const separable = () => [
  ...stage(tf.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', useBias: false })),
  ...stage(tf.layers.conv2d({ filters: 64, kernelSize: 1, padding: 'same', useBias: false })),
];

const convolution = (filters: number) => [
  tf.layers.conv2d({ filters, kernelSize: 3, activation: 'relu', padding: 'same' }),
  tf.layers.maxPooling2d({ poolSize: 2 }),
];

/** Orthogonal starts take seconds to draw and change no step's time. */
const recurrent = { units: 128, recurrentInitializer: 'glorotUniform' } as const;

/** The networks, from one of products alone to ones of many small layers. */
export const MODELS: readonly BenchModel[] = [
  {
    name: 'mlp',
    title: 'MLP 784-256-128-10',
    inputShape: [784],
    classes: 10,
    layers: () => [
      tf.layers.dense({ units: 256, activation: 'relu' }),
      tf.layers.dense({ units: 128, activation: 'relu' }),
      softmax(10),
    ],
  },
  {
    name: 'cnn',
    title: 'CNN, 3x3x16 and 3x3x32',
    inputShape: [28, 28, 1],
    classes: 10,
    layers: () => [...convolution(16), ...convolution(32), tf.layers.flatten(), softmax(10)],
  },
  {
    name: 'dscnn',
    title: 'DS-CNN, 4 separable blocks',
    inputShape: [49, 10, 1],
    classes: 12,
    layers: () => [
      ...stage(
        tf.layers.conv2d({ filters: 64, kernelSize: [10, 4], strides: 2, padding: 'same', useBias: false }),
      ),
      ...[separable(), separable(), separable(), separable()].flat(),
      tf.layers.globalAveragePooling2d({}),
      softmax(12),
    ],
  },
  {
    name: 'gru',
    title: 'GRU(128) over 50 steps',
    inputShape: [50, 40],
    classes: 10,
    layers: () => [tf.layers.gru(recurrent), softmax(10)],
  },
  {
    name: 'lstm',
    title: 'LSTM(128) over 50 steps',
    inputShape: [50, 40],
    classes: 10,
    layers: () => [tf.layers.lstm(recurrent), softmax(10)],
  },
];

/** @returns the network, compiled for plain training with Adam */
export function buildModel({ inputShape, layers }: BenchModel): tf.LayersModel {
  const input = tf.input({ shape: [...inputShape] });
  const output = layers().reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
  const model = tf.model({ inputs: input, outputs: output });
  model.compile({ optimizer: tf.train.adam(1e-3), loss: 'categoricalCrossentropy' });
  return model;
}

/** @returns examples of noise with labels, the same every time */
export function noisyExamples({ inputShape, classes }: BenchModel, count: number) {
  const random = createRandom(1);
  const size = inputShape.reduce((product, dimension) => product * dimension, count);
  const xs = tf.tensor(Float32Array.from({ length: size }, random), [count, ...inputShape]);
  const labels = tf.tensor1d(
    Int32Array.from({ length: count }, (_, i) => i % classes),
    'int32',
  );
  return { xs, ys: tf.cast(tf.oneHot(labels, classes), 'float32') };
}
