import * as tf from '@tensorflow/tfjs';
import { createRandom } from '../../src/train/random.js';

/** A kind of network that is built at any size. */
export interface GrowingNetwork {
  readonly name: 'dense' | 'conv' | 'embedding' | 'head';
  /** Examples a step. */
  readonly batch: number;
  /** @returns a network with about so many weights */
  build(weights: number): tf.LayersModel;
  /** @returns inputs of noise for so many examples */
  inputs(count: number, weights: number): tf.Tensor;
}

const CLASSES = 10;

/** Quicker to draw than normal values, and as good for a step's time. */
const kernel = (reach: number, seed: number) =>
  tf.initializers.randomUniform({ minval: -reach, maxval: reach, seed });

function finish(input: tf.SymbolicTensor, last: tf.SymbolicTensor): tf.LayersModel {
  const head = tf.layers.dense({
    name: 'head',
    units: CLASSES,
    activation: 'softmax',
    kernelInitializer: kernel(0.05, 0),
  });
  const model = tf.model({ inputs: input, outputs: head.apply(last) as tf.SymbolicTensor });
  return compiled(model);
}

function compiled(model: tf.LayersModel): tf.LayersModel {
  model.compile({ optimizer: tf.train.adam(1e-3), loss: 'categoricalCrossentropy' });
  return model;
}

function stack(input: tf.SymbolicTensor, layers: readonly tf.layers.Layer[]): tf.LayersModel {
  return finish(
    input,
    layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input),
  );
}

function noise(shape: number[]): tf.Tensor {
  const random = createRandom(1);
  return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, random), shape);
}

const DENSE_INPUTS = 256;

const dense: GrowingNetwork = {
  name: 'dense',
  batch: 32,
  build(weights) {
    const units = Math.round(Math.sqrt(weights / 4));
    const reach = 1 / Math.sqrt(units);
    const layer = (seed: number) =>
      tf.layers.dense({ units, activation: 'relu', kernelInitializer: kernel(reach, seed) });
    return stack(tf.input({ shape: [DENSE_INPUTS] }), [1, 2, 3, 4, 5].map(layer));
  },
  inputs: (count) => noise([count, DENSE_INPUTS]),
};

const SIDE = 32;

/** Channels of MobileNet's stages as multiples of the first, with the stride that leads to each. */
const STAGES = [
  [2, 1],
  [4, 2],
  [4, 1],
  [8, 2],
  [8, 1],
  [16, 2],
  [16, 1],
  [16, 1],
  [16, 1],
  [32, 2],
  [32, 1],
] as const;

function separable(channels: number, strides: number, seed: number): tf.layers.Layer[] {
  const norm = () => [tf.layers.batchNormalization(), tf.layers.reLU({ maxValue: 6 })];
  const shared = { padding: 'same', useBias: false } as const;
  return [
    tf.layers.depthwiseConv2d({
      ...shared,
      kernelSize: 3,
      strides,
      depthwiseInitializer: kernel(0.5, seed),
    }),
    ...norm(),
    tf.layers.conv2d({
      ...shared,
      kernelSize: 1,
      filters: channels,
      kernelInitializer: kernel(1 / Math.sqrt(channels), seed),
    }),
    ...norm(),
  ];
}

/** Weights of the stages for one channel in the first, by the square of whose number they grow. */
const WEIGHTS_PER_SQUARE = STAGES.reduce(
  (sum, [channels], i) => sum + channels * (STAGES[i - 1]?.[0] ?? 1),
  0,
);

const conv: GrowingNetwork = {
  name: 'conv',
  batch: 16,
  build(weights) {
    const first = Math.max(2, Math.round(Math.sqrt(weights / WEIGHTS_PER_SQUARE)));
    const stem = tf.layers.conv2d({
      filters: first,
      kernelSize: 3,
      strides: 2,
      padding: 'same',
      kernelInitializer: kernel(0.2, 1),
    });
    const stages = STAGES.flatMap(([times, stride], i) => separable(times * first, stride, i + 2));
    return stack(tf.input({ shape: [SIDE, SIDE, 3] }), [
      stem,
      ...stages,
      tf.layers.globalAveragePooling2d({}),
    ]);
  },
  inputs: (count) => noise([count, SIDE, SIDE, 3]),
};

const WIDTH = 512;
const WORDS = 32;

const vocabulary = (weights: number): number => Math.round(weights / WIDTH);

const embedding: GrowingNetwork = {
  name: 'embedding',
  batch: 32,
  build(weights) {
    return stack(tf.input({ shape: [WORDS] }), [
      tf.layers.embedding({
        inputDim: vocabulary(weights),
        outputDim: WIDTH,
        embeddingsInitializer: kernel(0.05, 1),
      }),
      tf.layers.globalAveragePooling1d({}),
      tf.layers.dense({ units: 256, activation: 'relu', kernelInitializer: kernel(0.05, 2) }),
    ]);
  },
  inputs(count, weights) {
    const words = vocabulary(weights);
    return tf.tidy(() => tf.floor(tf.mul(noise([count, WORDS]), words)));
  },
};

/** The dense network, of which only the last layer is trained. */
const head: GrowingNetwork = {
  ...dense,
  name: 'head',
  build(weights) {
    const model = dense.build(weights);
    for (const layer of model.layers) layer.trainable = layer.name === 'head';
    return compiled(model);
  },
};

/** The networks that grow. */
export const NETWORKS: readonly GrowingNetwork[] = [dense, conv, embedding, head];

/** @returns one-hot labels for so many examples */
export function labels(count: number): tf.Tensor {
  const classes = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  return tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(classes, 'int32'), CLASSES), 'float32'));
}
