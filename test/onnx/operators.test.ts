import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import type { NodeDraft } from '../containers/write-onnx.js';
import { expectGradients, expectLikeRuntime } from './compare.js';
import { type GraphDraft, networkOf, onnxFile, randomTensor } from './graphs.js';

beforeAll(() => useBackend('wasm'));

type Attributes = NonNullable<NodeDraft['attributes']>;

/** An operator on weights; the first has an input of its shape added to it. */
interface Case {
  readonly attributes?: Attributes;
  /** Shapes of the operator's inputs. */
  readonly shapes: readonly (readonly number[])[];
  /** Least absolute value and sign of the numbers, for functions that are not defined everywhere. */
  readonly positive?: boolean;
  readonly opset?: number;
  readonly domain?: string;
  readonly op?: string;
  readonly step?: number;
}

function draftOf(op: string, { attributes = {}, shapes, positive, opset, domain }: Case): GraphDraft {
  const names = shapes.map((_, i) => `w${i}`);
  const weights = Object.fromEntries(shapes.map((shape, i) => [`w${i}`, { shape }]));
  const [first = [], ...others] = shapes;
  const prepared = names.map((name) => (positive ? `${name}/abs` : name));
  const abs = names.flatMap((name) => [
    ['Abs', { inputs: [name], outputs: [`${name}/a`] }] as const,
    ['Add', { inputs: [`${name}/a`, 'half'], outputs: [`${name}/abs`] }] as const,
  ]);
  void others;
  return {
    inputs: { x: first },
    weights: { ...weights, ...(positive ? { half: { shape: [], values: [0.5] } } : {}) },
    nodes: [
      ...(positive ? abs : []),
      ['Add', { inputs: [prepared[0]!, 'x'], outputs: ['start'] }],
      [
        op,
        {
          inputs: ['start', ...prepared.slice(1)],
          outputs: ['y'],
          attributes,
          ...(domain ? { domain } : {}),
        },
      ],
    ],
    outputs: ['y'],
    opset: opset ?? 20,
  };
}

const image = [2, 4, 7, 6];
const float = (value: number) => ({ float: value });

const CASES: Readonly<Record<string, Case>> = {
  Abs: { shapes: [[3, 4]] },
  Add: {
    shapes: [
      [2, 3, 4],
      [3, 1],
    ],
  },
  Sub: { shapes: [[2, 3, 4], [4]] },
  Mul: {
    shapes: [
      [2, 3, 4],
      [2, 1, 4],
    ],
  },
  Div: { shapes: [[2, 3], [3]], positive: true },
  Pow: { shapes: [[2, 3], [3]], positive: true },
  Sqrt: { shapes: [[5]], positive: true },
  Exp: { shapes: [[5]] },
  Log: { shapes: [[5]], positive: true },
  Neg: { shapes: [[5]] },
  Reciprocal: { shapes: [[5]], positive: true },
  Sin: { shapes: [[5]] },
  Cos: { shapes: [[5]] },
  Tan: { shapes: [[5]] },
  Atan: { shapes: [[5]] },
  Sinh: { shapes: [[5]] },
  Cosh: { shapes: [[5]] },
  Asinh: { shapes: [[5]] },
  Erf: { shapes: [[7]] },
  Min: { shapes: [[2, 3], [3], [2, 1]] },
  Max: { shapes: [[2, 3], [3], [2, 1]] },
  Sum: { shapes: [[2, 3], [3], [2, 1]] },
  Mean: { shapes: [[2, 3], [3], [2, 1]] },
  Relu: { shapes: [[9]] },
  LeakyRelu: { shapes: [[9]], attributes: { alpha: float(0.2) } },
  PRelu: { shapes: [image, [4, 1, 1]], step: 1e-3 },
  Sigmoid: { shapes: [[9]] },
  Tanh: { shapes: [[9]] },
  HardSigmoid: { shapes: [[9]], attributes: { alpha: float(0.3) } },
  HardSwish: { shapes: [[9]] },
  Elu: { shapes: [[9]], attributes: { alpha: float(0.7) } },
  Selu: { shapes: [[9]] },
  Celu: { shapes: [[9]], attributes: { alpha: float(0.7) } },
  Softplus: { shapes: [[9]] },
  Softsign: { shapes: [[9]] },
  ThresholdedRelu: { shapes: [[9]], attributes: { alpha: float(0.1) }, step: 1e-4 },
  Mish: { shapes: [[9]] },
  Gelu: { shapes: [[9]] },
  'Gelu by tanh': { op: 'Gelu', shapes: [[9]], attributes: { approximate: 'tanh' } },
  FastGelu: { domain: 'com.microsoft', shapes: [[2, 9], [9]] },
  QuickGelu: { domain: 'com.microsoft', shapes: [[2, 9]] },
  Softmax: { shapes: [[2, 3, 4]], attributes: { axis: 1 } },
  'Softmax of version 11': { op: 'Softmax', opset: 11, shapes: [[2, 3, 4]] },
  LogSoftmax: { shapes: [[2, 3, 4]] },
  'LogSoftmax of version 11': { op: 'LogSoftmax', opset: 11, shapes: [[2, 3, 4]] },
  'MatMul of vectors': { op: 'MatMul', shapes: [[4], [4]] },
  'MatMul of a vector': { op: 'MatMul', shapes: [[4], [3, 4, 2]] },
  'MatMul with a vector': { op: 'MatMul', shapes: [[3, 2, 4], [4]] },
  'MatMul of rows': {
    op: 'MatMul',
    shapes: [
      [3, 2, 4],
      [4, 5],
    ],
  },
  'MatMul of batches': {
    op: 'MatMul',
    shapes: [
      [3, 1, 2, 4],
      [2, 4, 5],
    ],
  },
  Gemm: {
    shapes: [[4, 3], [2, 4], [2]],
    attributes: { transA: 1, transB: 1, alpha: float(0.5), beta: float(2) },
  },
  'Gemm with a column': {
    op: 'Gemm',
    shapes: [
      [3, 4],
      [4, 2],
      [3, 1],
    ],
  },
  Conv: { shapes: [image, [3, 4, 3, 3], [3]], attributes: { pads: [1, 0, 2, 1], strides: [2, 1] } },
  'Conv without padding': { op: 'Conv', shapes: [image, [3, 4, 3, 2]] },
  'Conv of one pixel': { op: 'Conv', shapes: [image, [3, 4, 1, 1], [3]], attributes: { strides: [2, 2] } },
  'Conv, same, upper': {
    op: 'Conv',
    shapes: [image, [3, 4, 4, 3]],
    attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
  },
  'Conv, same, lower': {
    op: 'Conv',
    shapes: [image, [3, 4, 4, 3]],
    attributes: { auto_pad: 'SAME_LOWER', strides: [2, 3] },
  },
  'Conv with dilations': {
    op: 'Conv',
    shapes: [image, [3, 4, 3, 2], [3]],
    attributes: { dilations: [2, 3], pads: [2, 1, 2, 0] },
  },
  'Conv with dilations and strides': {
    op: 'Conv',
    shapes: [image, [3, 4, 3, 2]],
    attributes: { dilations: [2, 2], strides: [2, 1], pads: [1, 1, 1, 1] },
  },
  'Conv in groups': {
    op: 'Conv',
    shapes: [image, [6, 2, 3, 3], [6]],
    attributes: { group: 2, pads: [1, 1, 1, 1] },
  },
  'Conv, depthwise': {
    op: 'Conv',
    shapes: [image, [4, 1, 3, 3], [4]],
    attributes: { group: 4, strides: [2, 2], pads: [0, 1, 1, 1] },
  },
  'Conv, depthwise, multiplied': { op: 'Conv', shapes: [image, [8, 1, 3, 3]], attributes: { group: 4 } },
  'Conv, depthwise, dilated': {
    op: 'Conv',
    shapes: [image, [4, 1, 3, 3]],
    attributes: { group: 4, dilations: [2, 1] },
  },
  'Conv of sequences': {
    op: 'Conv',
    shapes: [[2, 3, 9], [5, 3, 4], [5]],
    attributes: { strides: [2], pads: [2, 1] },
  },
  'Conv of sequences, dilated': {
    op: 'Conv',
    shapes: [[2, 3, 9], [5, 3, 3], [5]],
    attributes: { dilations: [2], pads: [4, 0] },
  },
  'Conv of sequences, depthwise': {
    op: 'Conv',
    shapes: [[2, 3, 9], [3, 1, 3], [3]],
    attributes: { group: 3 },
  },
  ConvTranspose: {
    shapes: [[2, 4, 4, 3], [4, 3, 3, 3], [3]],
    attributes: { strides: [2, 2], pads: [1, 0, 1, 1], output_padding: [1, 0] },
  },
  'ConvTranspose in groups': {
    op: 'ConvTranspose',
    shapes: [[2, 4, 4, 3], [4, 3, 2, 2], [6]],
    attributes: { group: 2, strides: [2, 2] },
  },
  'ConvTranspose, dilated': {
    op: 'ConvTranspose',
    shapes: [
      [2, 4, 4, 3],
      [4, 3, 2, 2],
    ],
    attributes: { dilations: [2, 3] },
  },
  'ConvTranspose to a size': {
    op: 'ConvTranspose',
    shapes: [
      [2, 4, 4, 3],
      [4, 3, 3, 3],
    ],
    attributes: { strides: [2, 2], output_shape: [8, 6] },
  },
  'ConvTranspose of sequences': {
    op: 'ConvTranspose',
    shapes: [[2, 4, 5], [4, 3, 4], [3]],
    attributes: { strides: [2], pads: [1, 1] },
  },
  MaxPool: {
    shapes: [image],
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] },
    step: 1e-3,
  },
  'MaxPool, last windows partial': {
    op: 'MaxPool',
    shapes: [image],
    attributes: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 },
    step: 1e-3,
  },
  'MaxPool, dilated': {
    op: 'MaxPool',
    shapes: [image],
    attributes: { kernel_shape: [2, 2], dilations: [2, 2], pads: [1, 1, 1, 1] },
    step: 1e-3,
  },
  'MaxPool of sequences': {
    op: 'MaxPool',
    shapes: [[2, 3, 8]],
    attributes: { kernel_shape: [3], strides: [2] },
    step: 1e-3,
  },
  AveragePool: { shapes: [image], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  'AveragePool without padding': { op: 'AveragePool', shapes: [image], attributes: { kernel_shape: [3, 2] } },
  'AveragePool with padding counted': {
    op: 'AveragePool',
    shapes: [image],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
  'AveragePool, last windows partial': {
    op: 'AveragePool',
    shapes: [image],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 },
  },
  'AveragePool of sequences': {
    op: 'AveragePool',
    shapes: [[2, 3, 8]],
    attributes: { kernel_shape: [3], pads: [1, 1] },
  },
  GlobalAveragePool: { shapes: [image] },
  GlobalMaxPool: { shapes: [image], step: 1e-3 },
  InstanceNormalization: { shapes: [image, [4], [4]] },
  LayerNormalization: { shapes: [[2, 3, 8], [8], [8]] },
  'LayerNormalization over two': {
    op: 'LayerNormalization',
    shapes: [
      [2, 3, 8],
      [3, 8],
    ],
    attributes: { axis: 1 },
  },
  LpNormalization: { shapes: [[2, 6]] },
  SimplifiedLayerNormalization: { shapes: [[2, 6], [6]] },
  SkipLayerNormalization: { domain: 'com.microsoft', shapes: [[2, 3, 8], [2, 3, 8], [8], [8], [8]] },
  LRN: { shapes: [image], attributes: { size: 3 } },
  ...Object.fromEntries(
    ['L1', 'L2', 'Max', 'Mean', 'SumSquare'].map((name): [string, Case] => [
      `Reduce${name} of no axes`,
      { op: `Reduce${name}`, shapes: [[2, 3]], attributes: { noop_with_empty_axes: 1 } },
    ]),
  ),
};

test.each(Object.entries(CASES))(
  '%s computes what ONNX Runtime does, and has gradients',
  async (name, each) => {
    const draft = draftOf(each.op ?? name, each);
    const network = await networkOf(draft);
    const x = randomTensor(each.shapes[0]!, 99);
    const start = each.positive ? tf.abs(x) : x;
    await expectLikeRuntime(network, onnxFile(draft), [start]);
    expectGradients(network, [start], each.step);
    network.dispose();
    expect(network.weights.length).toBeGreaterThan(0);
  },
);

test('Cast takes all numbers but 0 for true', async () => {
  const draft: GraphDraft = {
    inputs: { x: ['n'] },
    weights: { unused: { shape: [1] } },
    nodes: [
      ['Cast', { inputs: ['x'], outputs: ['whole'], attributes: { to: 6 } }],
      ['Cast', { inputs: ['x'], outputs: ['real/true'], attributes: { to: 9 } }],
      ['Cast', { inputs: ['whole'], outputs: ['whole/true'], attributes: { to: 9 } }],
      ['Cast', { inputs: ['real/true'], outputs: ['a'], attributes: { to: 1 } }],
      ['Cast', { inputs: ['whole/true'], outputs: ['b'], attributes: { to: 1 } }],
    ],
    outputs: ['a', 'b'],
  };
  const network = await networkOf(draft);
  const x = tf.tensor1d([0.25, -0.5, 0, 256, -3, 1e9]);
  await expectLikeRuntime(network, onnxFile(draft), [x]);
  const [a, b] = network.run([x], ['a', 'b']).map((each) => [...each.dataSync()]);
  expect(a).toEqual([1, 1, 0, 1, 1, 1]);
  expect(b).toEqual([0, 0, 0, 1, 1, 1]);
  network.dispose();
});

test.each(['constant', 'edge', 'reflect', 'wrap'])(
  'Pad takes elements off before it adds some of mode %s',
  async (mode) => {
    const draft: GraphDraft = {
      inputs: { x: ['n', 6] },
      weights: { w: { shape: [6] }, pads: { shape: [4], values: [-1, 2, 2, -1], dtype: 'int64' } },
      nodes: [
        ['Mul', { inputs: ['x', 'w'], outputs: ['whole'] }],
        ['Pad', { inputs: ['whole', 'pads'], outputs: ['y'], attributes: { mode } }],
      ],
      outputs: ['y'],
      opset: 19,
    };
    const network = await networkOf(draft);
    const x = randomTensor([5, 6], 3);
    await expectLikeRuntime(network, onnxFile(draft), [x]);
    expectGradients(network, [x]);
    network.dispose();
  },
);
