import * as tf from '@tensorflow/tfjs';
import { createSeeds } from '../common/seeds.js';
import { CLIP_SHAPE } from './features.js';

/** Moving averages settle within the few hundred steps that a small model is trained for. */
const BATCH_NORM_MOMENTUM = 0.9;

/** One convolution over time, with a batch norm and a rectifier. */
export interface KeywordBlock {
  /** Begins the names of its layers. */
  readonly name: string;
  /** Whether each channel is filtered by itself first and the channels are mixed by a 1x1 convolution. */
  readonly separable: boolean;
  /** Frames a filter sees. */
  readonly frames: number;
  readonly stride: number;
  readonly channels: number;
}

/** Halves time early, where a training step spends most, and widens late, where weights are cheap. */
const BLOCKS: readonly KeywordBlock[] = [
  { name: 'block1', separable: false, frames: 5, stride: 2, channels: 96 },
  { name: 'block2', separable: false, frames: 3, stride: 2, channels: 128 },
  { name: 'block3', separable: true, frames: 5, stride: 2, channels: 192 },
  { name: 'block4', separable: true, frames: 3, stride: 1, channels: 288 },
];

/**
 * Create an untrained keyword model after the depthwise-separable networks of Zhang et al., "Hello Edge:
 * Keyword Spotting on Microcontrollers" (2017), with convolutions over time alone as in Choi et al.,
 * "Temporal Convolution for Real-time Keyword Spotting on Mobile Devices" (2019).
 *
 * @param classes outputs: a label each, of all updates to come
 * @param seed whole number that fixes the initial weights
 * @returns a model from `[batch, ...CLIP_SHAPE]` to class probabilities
 */
export function createKeywordModel(classes: number, seed: number): tf.LayersModel {
  const nextSeed = createSeeds(seed);
  const input = tf.input({ shape: [...CLIP_SHAPE] });
  let output = input;
  for (const block of BLOCKS) output = addKeywordBlock(output, block, nextSeed);
  return classify(input, output, { classes, seed: nextSeed() });
}

/** Add what makes class probabilities of the last block's output. */
export function classify(
  input: tf.SymbolicTensor,
  features: tf.SymbolicTensor,
  { classes, seed }: { readonly classes: number; readonly seed: number },
): tf.LayersModel {
  const output = tf.layers.globalAveragePooling2d({}).apply(features) as tf.SymbolicTensor;
  const kernelInitializer = tf.initializers.glorotUniform({ seed });
  const dense = tf.layers.dense({ name: 'output', units: classes, activation: 'softmax', kernelInitializer });
  return tf.model({ inputs: input, outputs: dense.apply(output) as tf.SymbolicTensor });
}

/** Add a block to a network. */
export function addKeywordBlock(
  input: tf.SymbolicTensor,
  block: KeywordBlock,
  nextSeed: () => number,
): tf.SymbolicTensor {
  const { name, separable, frames, stride, channels } = block;
  const filtered = separable ? addDepthwise(input, block, nextSeed()) : input;
  const mixed = tf.layers
    .conv2d({
      name: `${name}_conv`,
      filters: channels,
      kernelSize: separable ? 1 : [frames, 1],
      strides: separable ? 1 : [stride, 1],
      padding: 'same',
      useBias: false,
      kernelInitializer: tf.initializers.heNormal({ seed: nextSeed() }),
    })
    .apply(filtered);
  const normal = tf.layers
    .batchNormalization({ name: `${name}_norm`, momentum: BATCH_NORM_MOMENTUM })
    .apply(mixed);
  return tf.layers.reLU().apply(normal) as tf.SymbolicTensor;
}

/**
 * tfjs counts a depthwise kernel's inputs over all channels, so its fan-in initialisers start far too small.
 */
function addDepthwise(input: tf.SymbolicTensor, block: KeywordBlock, seed: number): tf.SymbolicTensor {
  const { frames, stride } = block;
  const name = `${block.name}_depthwise`;
  const depthwiseInitializer = tf.initializers.randomNormal({ stddev: Math.sqrt(1 / frames), mean: 0, seed });
  const kernelSize: [number, number] = [frames, 1];
  return tf.layers
    .depthwiseConv2d({
      name,
      kernelSize,
      strides: stride,
      padding: 'same',
      useBias: false,
      depthwiseInitializer,
    })
    .apply(input) as tf.SymbolicTensor;
}
