import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder, type Value } from '../../bench/common/graph-files.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { openGraphNetwork } from '../../src/train/graph-network.js';
import { codeOf, seededFloats } from '../support.js';
import { graphFiles, loadGraph, pictures } from './graph-task.js';

const LOSS = { loss: 'meanSquaredError' } as const;

/** Builds and loads a graph; its only input is `x`. */
async function graphOf(
  shape: readonly number[],
  build: (graph: GraphBuilder, x: Value) => Readonly<Record<string, Value>>,
): Promise<tf.GraphModel> {
  const graph = new GraphBuilder();
  const outputs = build(graph, graph.input('x', shape));
  return loadGraph(graph.files(outputs));
}

/** Adds seeded weights. */
function weights(graph: GraphBuilder, name: string, shape: readonly number[]): Value {
  return graph.weights(name, shape, { values: seededFloats(5, tf.util.sizeFromShape([...shape])) });
}

const matMul = (graph: GraphBuilder, x: Value, name: string, shape: readonly number[]): Value =>
  graph.node('MatMul', [x, weights(graph, name, shape)], { transpose_a: false, transpose_b: false });

const trainedOf = (model: tf.GraphModel, outputs?: string[]): string[] =>
  openGraphNetwork(model, outputs)
    .weights.filter(({ trainable }) => trainable)
    .map(({ name }) => name);

beforeAll(() => useBackend('wasm'));

describe('openGraphNetwork() trains', () => {
  test('weights of layers, but no means of inputs, no moving statistics, no tables, no numbers', async () => {
    const model = await graphOf([-1, 4, 4, 2], (graph, x) => {
      const centred = graph.node('Sub', [x, weights(graph, 'mean', [2])]);
      const conv = { strides: [1, 1, 1, 1], padding: 'SAME', data_format: 'NHWC', dilations: [1, 1, 1, 1] };
      const features = graph.node('Conv2D', [centred, weights(graph, 'kernel', [3, 3, 2, 4])], conv);
      const channels = ['scale', 'offset', 'moving/mean', 'moving/variance'];
      const norm = channels.map((name) => graph.weights(name, [4], { values: new Float32Array(4).fill(1) }));
      const normed = graph.node('FusedBatchNormV3', [features, ...norm], {
        epsilon: 0.001,
        data_format: 'NHWC',
      });
      const flat = graph.node('Reshape', [normed, graph.integers('shape', [-1, 16, 4])]);
      const placed = graph.node('AddV2', [flat, weights(graph, 'positions', [1, 16, 4])]);
      const scaled = graph.node('Mul', [placed, graph.weights('number', [], { values: Float32Array.of(2) })]);
      const long = graph.node('Reshape', [scaled, graph.integers('long', [-1, 64])]);
      const dense = graph.node('BiasAdd', [
        matMul(graph, long, 'dense', [64, 6]),
        weights(graph, 'bias', [6]),
      ]);
      const boxes = graph.node('Reshape', [dense, graph.integers('boxes', [-1, 3, 2])]);
      return { boxes: graph.node('AddV2', [boxes, weights(graph, 'anchors', [3, 2])]) };
    });
    expect(trainedOf(model)).toEqual(['kernel', 'scale', 'offset', 'positions', 'dense', 'bias']);
    const network = openGraphNetwork(model);
    await network.checkGradients?.([tf.randomNormal([2, 4, 4, 2], 0, 1, 'float32', 1)], ['boxes']);
  });

  test('only what the chosen outputs depend on', async () => {
    const model = await graphOf([-1, 3], (graph, x) => {
      const hidden = graph.node('Relu', [matMul(graph, x, 'first', [3, 4])]);
      return {
        left: matMul(graph, hidden, 'left/kernel', [4, 2]),
        right: matMul(graph, hidden, 'right/kernel', [4, 2]),
      };
    });
    expect(trainedOf(model)).toEqual(['first', 'left/kernel', 'right/kernel']);
    expect(trainedOf(model, ['right'])).toEqual(['first', 'right/kernel']);
  });

  test('dilated convolutions that are fused with a bias, as the model itself computes them', async () => {
    const conv = { strides: [1, 1, 1, 1], padding: 'SAME', data_format: 'NHWC', dilations: [1, 2, 2, 1] };
    const model = await graphOf([-1, 6, 6, 2], (graph, x) => {
      const fused = { ...conv, num_args: 1, fused_ops: ['BiasAdd'] };
      const inputs = [x, weights(graph, 'kernel', [3, 3, 2, 3]), weights(graph, 'bias', [3])];
      const depth = [weights(graph, 'depth', [3, 3, 3, 1]), weights(graph, 'depth/bias', [3])];
      return {
        y: graph.node(
          'FusedDepthwiseConv2dNative',
          [graph.node('_FusedConv2D', inputs, fused), ...depth],
          fused,
        ),
      };
    });
    const network = openGraphNetwork(model);
    const x = tf.randomNormal([2, 6, 6, 2], 0, 1, 'float32', 1);
    await network.checkGradients?.([x], ['y']);
    const [found] = network.run([x], ['y']) as [tf.Tensor];
    const expected = [...(model.execute({ x }, ['y']) as tf.Tensor).dataSync()];
    for (const [i, value] of [...found.dataSync()].entries())
      expect(value).toBeCloseTo(expected[i] as number, 4);
  });
});

describe('a GraphModel for one example at a time', () => {
  const single = () => graphOf([1, 3], (graph, x) => ({ y: matMul(graph, x, 'kernel', [3, 2]) }));

  test('runs once for each example of a batch', async () => {
    const network = openGraphNetwork(await single());
    expect(network.inputShapes).toEqual([[null, 3]]);
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const [y] = network.run([x], ['y']) as [tf.Tensor];
    const rows = [0, 1].map((i) => network.run([tf.slice(x, i, 1)], ['y'])[0]?.dataSync());
    expect([...y.dataSync()]).toEqual(rows.flatMap((row) => [...(row as Float32Array)]));
    await network.checkGradients?.([x], ['y']);
  });
});

test('createTask() of a GraphModel keeps no tensors beyond the model', async () => {
  const before = tf.memory().numTensors;
  const model = await loadGraph(graphFiles());
  const task = createTask(model, {
    loss: 'sparseCategoricalCrossentropy',
    outputs: ['logits'],
    outputKind: 'logits',
  });
  const data = pictures(32, 1);
  await fineTune({ task, train: data, epochs: 1 });
  expect(task.dispose).toBeUndefined();
  model.dispose();
  tf.dispose([data.xs, data.ys]);
  expect(tf.memory().numTensors).toBe(before);
});

describe('createTask() of a GraphModel refuses', () => {
  test('control flow and operations without a gradient, all by name', async () => {
    const model = await graphOf([-1, 4], (graph, x) => {
      const dense = matMul(graph, x, 'kernel', [4, 4]);
      const product = graph.node('Cumprod', [dense, graph.integers('axis', 1)]);
      const chosen = graph.node('Switch', [product, graph.flags('flag', [true])]);
      return { y: graph.node('NoSuchOperation', [chosen]), before: dense };
    });
    expect(await codeOf(() => createTask(model, LOSS))).toBe('unsupported-model');
    expect(() => createTask(model, LOSS)).toThrow(/Cumprod .*Switch .*NoSuchOperation/);
    expect(createTask(model, { ...LOSS, outputs: ['before'] }).outputNames).toEqual(['before']);
  });

  test('outputs that depend on no weight by a gradient', async () => {
    const model = await graphOf([-1, 4], (graph, x) => {
      const dense = matMul(graph, x, 'kernel', [4, 4]);
      return { dense, place: graph.node('ArgMax', [dense, graph.integers('axis', 1)]) };
    });
    expect(await codeOf(() => createTask(model, LOSS))).toBe('unsupported-model');
    expect(() => createTask(model, LOSS)).toThrow('no weight that can be trained reaches');
  });

  test('a graph without weights', async () => {
    const model = await graphOf([-1, 4], (graph, x) => ({ y: graph.node('Relu', [x]) }));
    expect(await codeOf(() => createTask(model, LOSS))).toBe('unsupported-model');
  });

  test('a missing loss and an unknown output, as mistakes of the program', async () => {
    const model = await loadGraph(graphFiles());
    expect(() => createTask(model, undefined as unknown as typeof LOSS)).toThrow(TypeError);
    expect(() => createTask(model, { ...LOSS, outputs: ['other'] })).toThrow(RangeError);
    expect(() => createTask(model, { ...LOSS, outputs: ['other'] })).toThrow('"probabilities", "logits"');
  });

  test('weights quantised to 16-bit integers', async () => {
    const graph = new GraphBuilder();
    const values = seededFloats(1, 8);
    const kernel = graph.weights('kernel', [4, 2], { values, storage: 'uint16' });
    const y = graph.node('MatMul', [graph.input('x', [-1, 4]), kernel]);
    const model = await loadGraph(graph.files({ y }));
    expect(await codeOf(() => createTask(model, LOSS))).toBe('unsupported-model');
  });
});

test('fineTune() refuses a GraphModel whose weights are not numbers, before it trains', async () => {
  const model = await graphOf([-1, 2], (graph, x) => {
    const kernel = graph.weights('kernel', [2, 2], { values: Float32Array.of(1, Number.NaN, 1, 1) });
    return { y: graph.node('MatMul', [x, kernel], { transpose_a: false, transpose_b: false }) };
  });
  const data = { xs: tf.ones([4, 2]), ys: tf.ones([4, 2]) };
  const trained = () => fineTune({ task: createTask(model, LOSS), train: data });
  expect(await codeOf(trained)).toBe('unsupported-model');
});

test('fineTune() refuses outputs without an element for each example', async () => {
  const model = await graphOf([-1, 2], (graph, x) => {
    const sum = graph.node('Sum', [matMul(graph, x, 'kernel', [2, 2]), graph.integers('axes', [0, 1])]);
    return { y: sum };
  });
  const data = { xs: tf.ones([4, 2]), ys: tf.ones([4, 2]) };
  expect(await codeOf(() => fineTune({ task: createTask(model, LOSS), train: data }))).toBe(
    'unsupported-model',
  );
});
