import * as tf from '@tensorflow/tfjs';
import { modelFiles } from '../../src/tfjs/layers-files.js';
import { concat, seededBytes, seededFloats } from '../support.js';

/** Files of a model by path. */
export type Files = Readonly<Record<string, Uint8Array>>;

/** What both models take: a batch of small pictures. */
export const INPUT_SHAPE = [3, 6, 6, 2] as const;

/** @returns a LayersModel in several shards: a convolution, a batch norm, a dense layer */
export async function layersFiles(seed: number): Promise<Files> {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [6, 6, 2], filters: 4, kernelSize: 3, name: 'conv' }),
      tf.layers.batchNormalization({ name: 'norm' }),
      tf.layers.reLU({ name: 'relu' }),
      tf.layers.flatten({ name: 'flat' }),
      tf.layers.dense({ units: 5, activation: 'softmax', name: 'out' }),
    ],
  });
  const weights = model.weights.map(({ name, shape }, i) => {
    const values = seededFloats(seed + i, tf.util.sizeFromShape(shape as number[]));
    return tf.tensor(name.includes('variance') ? values.map(Math.abs) : values, shape as number[]);
  });
  model.setWeights(weights);
  const files = await modelFiles(model, 500);
  model.dispose();
  tf.dispose(weights);
  return Object.fromEntries(files);
}

const FLOAT = { type: 'DT_FLOAT' };
const INT = { type: 'DT_INT32' };

/** Weights of the graph, as a manifest lists them: floats, halves, integers with a scale, a shape. */
const WEIGHTS = [
  { name: 'target', shape: [2], dtype: 'int32' },
  { name: 'first/kernel', shape: [72, 16], dtype: 'float32' },
  { name: 'first/bias', shape: [16], dtype: 'float32', quantization: { dtype: 'float16' } },
  {
    name: 'second/kernel',
    shape: [16, 5],
    dtype: 'float32',
    quantization: { dtype: 'uint8', scale: 0.01, min: -1.28 },
  },
  { name: 'second/bias', shape: [5], dtype: 'float32' },
];

function bytesOf({ name, shape, quantization }: (typeof WEIGHTS)[number], seed: number): Uint8Array {
  const size = tf.util.sizeFromShape(shape);
  if (name === 'target') return new Uint8Array(Int32Array.of(-1, 72).buffer);
  if (quantization?.dtype === 'uint8') return seededBytes(seed, size);
  const values = seededFloats(seed, size);
  // Halves from 0.5 to 1: the fraction alone is the seed's.
  const halves = Uint16Array.from(values, (value) => 0x3800 | Math.floor(Math.abs(value) * 1023));
  return new Uint8Array(quantization ? halves.buffer : values.buffer);
}

/**
 * @returns a GraphModel as the converter writes it: constants are nodes whose values lie in the manifest's
 * shards
 */
export function graphFiles(seed: number): Files {
  const node = (op: string, name: string, input: string[]) => ({ name, op, input, attr: { T: FLOAT } });
  const dim = [-1, ...INPUT_SHAPE.slice(1)].map((size) => ({ size: String(size) }));
  const nodes = [
    { name: 'x', op: 'Placeholder', attr: { dtype: FLOAT, shape: { shape: { dim } } } },
    ...WEIGHTS.map(({ name, dtype }) => {
      return { name, op: 'Const', attr: { dtype: dtype === 'int32' ? INT : FLOAT } };
    }),
    { name: 'flat', op: 'Reshape', input: ['x', 'target'], attr: { T: FLOAT, Tshape: INT } },
    node('MatMul', 'product', ['flat', 'first/kernel']),
    node('BiasAdd', 'sum', ['product', 'first/bias']),
    node('Relu', 'hidden', ['sum']),
    node('MatMul', 'scores', ['hidden', 'second/kernel']),
    node('BiasAdd', 'logits', ['scores', 'second/bias']),
    node('Softmax', 'y', ['logits']),
  ];
  const bytes = concat(...WEIGHTS.map((weight, i) => bytesOf(weight, seed + i)));
  const paths = ['group1-shard1of2.bin', 'group1-shard2of2.bin'] as const;
  const json = {
    format: 'graph-model',
    modelTopology: { node: nodes, versions: { producer: 1_395 } },
    weightsManifest: [{ paths, weights: WEIGHTS }],
  };
  return {
    'model.json': new TextEncoder().encode(JSON.stringify(json)),
    [paths[0]]: bytes.slice(0, 3_001),
    [paths[1]]: bytes.slice(3_001),
  };
}
