import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder, type Value } from '../../bench/common/graph-files.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import { openGraphNetwork } from '../../src/train/graph-network.js';
import { expectGradients, relativeError } from '../onnx/compare.js';
import { randomTensor } from '../onnx/graphs.js';
import { seededFloats } from '../support.js';

/** Adds operations to a graph, as converters write them, behind a layer with weights. */
type Build = (graph: GraphBuilder, x: Value) => Value;

const IMAGE = [2, 6, 8, 4];
const CONV = { strides: [1, 1, 1, 1], padding: 'SAME', data_format: 'NHWC', dilations: [1, 1, 1, 1] };

const weights = (graph: GraphBuilder, name: string, shape: readonly number[], seed = 5): Value =>
  graph.weights(name, shape, { values: seededFloats(seed, tf.util.sizeFromShape([...shape])) });
const number = (graph: GraphBuilder, name: string, value: number): Value =>
  graph.weights(name, [], { values: Float32Array.of(value) });

/** A convolution that is fused with a bias and an activation. */
const fused =
  (activation: string, attributes: object = {}, ...more: (readonly number[])[]): Build =>
  (graph, x) => {
    const inputs = [x, weights(graph, 'kernel', [3, 3, 4, 4]), weights(graph, 'bias', [4], 6)];
    const others = more.map((shape, i) => weights(graph, `more${i}`, shape, 7 + i));
    const facts = { ...CONV, num_args: 1 + others.length, fused_ops: ['BiasAdd', activation] };
    return graph.node('_FusedConv2D', [...inputs, ...others], { ...facts, ...attributes });
  };

const dilated =
  (op: string, kernel: readonly number[], dilations: readonly number[]): Build =>
  (graph, x) =>
    graph.node(op, [x, weights(graph, 'kernel', kernel)], { ...CONV, dilations: [1, ...dilations, 1] });

const resize =
  (op: string, size: readonly number[], attributes: Record<string, boolean>): Build =>
  (graph, x) =>
    graph.node(op, [x, graph.integers('size', size)], attributes);

const RESIZES = ['ResizeBilinear', 'ResizeNearestNeighbor'].flatMap((op) =>
  [
    [11, 13],
    [3, 5],
  ].flatMap((size) =>
    ['align_corners', 'half_pixel_centers', 'neither'].map((how): [string, Build] => [
      `${op} to ${size}, ${how}`,
      resize(op, size, {
        align_corners: how === 'align_corners',
        half_pixel_centers: how === 'half_pixel_centers',
      }),
    ]),
  ),
);

const BLOCKS = {
  block: [2, 3],
  paddings: [
    [0, 2],
    [1, 0],
  ],
  crops: [
    [0, 2],
    [1, 0],
  ],
} as const;

const CASES: Readonly<Record<string, Build>> = {
  Prelu: (graph, x) => graph.node('Prelu', [x, weights(graph, 'slopes', [4])]),
  'Prelu with a slope for each pixel': (graph, x) =>
    graph.node('Prelu', [x, weights(graph, 'slopes', [6, 8, 4])]),
  'Prelu that is fused': fused('Prelu', {}, [4]),
  LeakyRelu: (graph, x) => graph.node('LeakyRelu', [x], { alpha: 0.3 }),
  'LeakyRelu that is fused': fused('LeakyRelu', { leakyrelu_alpha: 0.3 }),
  'Elu that is fused': fused('Elu'),
  'Relu6 that is fused': fused('Relu6'),
  'Sigmoid that is fused': fused('Sigmoid'),
  'hard swish': (graph, x) => {
    const shifted = graph.node('AddV2', [x, number(graph, 'three', 3)]);
    const gate = graph.node('Mul', [graph.node('Relu6', [shifted]), number(graph, 'sixth', 1 / 6)]);
    return graph.node('Mul', [x, gate]);
  },
  'hard swish behind a convolution that is fused': (graph, x) => {
    const hidden = fused('Relu6')(graph, graph.node('AddV2', [x, number(graph, 'three', 3)]));
    return graph.node('Mul', [x, graph.node('Mul', [hidden, number(graph, 'sixth', 1 / 6)])]);
  },
  'a convolution of two groups': (graph, x) => {
    const parts = graph.node('Split', [graph.integers('axis', 3), x], { num_split: 2 });
    const made = [parts, `${parts}:1`].map((part, i) =>
      graph.node('Conv2D', [part, weights(graph, `kernel${i}`, [3, 3, 2, 3], i + 2)], CONV),
    );
    return graph.node('ConcatV2', [...made, graph.integers('last', 3)], { N: 2 });
  },
  'Conv2D, dilated': dilated('Conv2D', [3, 2, 4, 3], [2, 2]),
  'Conv2D, dilated by two numbers': dilated('Conv2D', [3, 2, 4, 3], [1, 3]),
  'DepthwiseConv2dNative, dilated': dilated('DepthwiseConv2dNative', [3, 3, 4, 2], [2, 2]),
  'Conv2D, dilated by blocks': (graph, x) => {
    const block = graph.integers('block', [2, 2]);
    const pads = graph.integers('pads', [
      [2, 2],
      [2, 2],
    ]);
    const spread = graph.node('SpaceToBatchND', [x, block, pads]);
    const kernel = weights(graph, 'kernel', [3, 3, 4, 3]);
    const conv = graph.node('Conv2D', [spread, kernel], { ...CONV, padding: 'VALID' });
    return graph.node('BatchToSpaceND', [
      conv,
      block,
      graph.integers('crops', [
        [0, 0],
        [0, 0],
      ]),
    ]);
  },
  SpaceToBatchND: (graph, x) => {
    const [block, pads] = [graph.integers('block', BLOCKS.block), graph.integers('pads', BLOCKS.paddings)];
    const spread = graph.node('Square', [graph.node('SpaceToBatchND', [x, block, pads])]);
    return graph.node('BatchToSpaceND', [spread, block, graph.integers('crops', BLOCKS.crops)]);
  },
  'SpaceToBatchND with other crops': (graph, x) => {
    const [block, pads] = [graph.integers('block', BLOCKS.block), graph.integers('pads', BLOCKS.paddings)];
    const spread = graph.node('Tanh', [graph.node('SpaceToBatchND', [x, block, pads])]);
    return graph.node('BatchToSpaceND', [
      spread,
      block,
      graph.integers('crops', [
        [2, 1],
        [0, 4],
      ]),
    ]);
  },
  Einsum: (graph, x) =>
    graph.node('Einsum', [x, weights(graph, 'kernel', [4, 2, 3])], { equation: 'bhwc,cdn->bhwdn', N: 2 }),
  'Einsum of values, as in attention': (graph, x) => {
    const scores = graph.node('Einsum', [x, x], { equation: 'bhqc,bhkc->bhqk', N: 2 });
    const shares = graph.node('Softmax', [scores]);
    return graph.node('Einsum', [shares, x], { equation: 'bhqk,bhkc->bhqc', N: 2 });
  },
  ...Object.fromEntries(RESIZES),
};

/** @returns the files of a graph: a convolution of single pixels, and the operations behind it */
function filesOf(build: Build): Map<string, Uint8Array> {
  const graph = new GraphBuilder();
  const x = graph.input('x', [-1, ...IMAGE.slice(1)]);
  const first = graph.node('Conv2D', [x, weights(graph, 'first', [1, 1, 4, 4], 3)], CONV);
  return graph.files({ y: build(graph, first) });
}

const load = (files: Map<string, Uint8Array>) => loadGraphModel(openMemoryFiles(files));

describe.each(['wasm', 'cpu'] as const)('on %s', (backend) => {
  beforeAll(() => useBackend(backend));

  test.each(Object.entries(CASES))('%s has gradients', async (_, build) => {
    const network = openGraphNetwork(await load(filesOf(build)));
    const trained = network.weights.filter(({ trainable }) => trainable);
    expect(trained[0]?.name).toBe('first');
    const x = randomTensor(IMAGE, 1);
    await network.checkGradients?.([x], ['y']);
    expectGradients({ ...network, weights: trained }, [x], 1e-3);
    network.dispose();
  });
});

test.each(Object.entries(CASES))('%s gives what TensorFlow.js computes on cpu', async (_, build) => {
  const files = filesOf(build);
  const x = randomTensor(IMAGE, 1);
  await useBackend('wasm');
  const network = openGraphNetwork(await load(files));
  const found = network.run([x], ['y'])[0]?.dataSync() as Float32Array;
  network.dispose();
  await useBackend('cpu');
  const model = await load(files);
  const expected = (model.execute({ x }, ['y']) as tf.Tensor).dataSync();
  model.dispose();
  expect(relativeError(found, expected)).toBeLessThan(1e-5);
});
