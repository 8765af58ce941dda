import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import type { Network } from '../../src/train/network.js';
import { field, graphInput, graphOutput, node } from '../containers/write-onnx.js';
import { codeOf, concat, errorOf } from '../support.js';
import { expectGradients, expectLikeRuntime } from './compare.js';
import { type GraphDraft, networkOf, onnxFile, randomTensor } from './graphs.js';

let image: tf.Tensor;

beforeAll(async () => {
  await useBackend('wasm');
  image = randomTensor([2, 3, 8, 8], 5);
});

/** @returns kernels that a run of a network consists of, without those of the first one */
async function kernelsOf(network: Network, xs: tf.Tensor[]): Promise<string[]> {
  tf.dispose(network.run(xs, network.outputNames));
  const { kernels } = await tf.profile(() => tf.tidy(() => network.run(xs, network.outputNames)));
  return kernels.map(({ name }) => name);
}

/** Convolutions with what stands between them in networks for images. */
const CHAIN: GraphDraft = {
  inputs: { x: ['n', 3, 8, 8] },
  weights: {
    first: { shape: [4, 3, 3, 3] },
    bias: { shape: [4] },
    ...{ scale: { shape: [4] }, offset: { shape: [4] }, mean: { shape: [4] } },
    variance: { shape: [4], values: [1, 2, 0.5, 1] },
    slope: { shape: [4, 1, 1] },
    depthwise: { shape: [4, 1, 3, 3] },
    pads: { shape: [8], values: [0, 0, 1, 0, 0, 0, 0, 1], dtype: 'int64' },
    sizes: { shape: [4], values: [1, 1, 2, 1].map((each) => each), dtype: 'float32' },
    last: { shape: [2, 8, 1, 1] },
    dense: { shape: [5, 2] },
  },
  nodes: [
    ['Conv', { inputs: ['x', 'first', 'bias'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } }],
    ['BatchNormalization', { inputs: ['c', 'scale', 'offset', 'mean', 'variance'], outputs: ['b'] }],
    ['PRelu', { inputs: ['b', 'slope'], outputs: ['r'] }],
    [
      'Conv',
      { inputs: ['r', 'depthwise'], outputs: ['d'], attributes: { group: 4, auto_pad: 'SAME_UPPER' } },
    ],
    ['HardSwish', { inputs: ['d'], outputs: ['h'] }],
    ['Add', { inputs: ['h', 'r'], outputs: ['s'] }],
    ['ReduceMean', { inputs: ['s'], outputs: ['m'], attributes: { axes: [2, 3] } }],
    ['Mul', { inputs: ['s', 'm'], outputs: ['e'] }],
    ['Concat', { inputs: ['e', 'r'], outputs: ['t'], attributes: { axis: 1 } }],
    ['Pad', { inputs: ['t', 'pads'], outputs: ['p'] }],
    ['Resize', { inputs: ['p', '', 'sizes'], outputs: ['z'], attributes: { mode: 'nearest' } }],
    ['MaxPool', { inputs: ['z'], outputs: ['q'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } }],
    ['Conv', { inputs: ['q', 'last'], outputs: ['l'] }],
    ['GlobalAveragePool', { inputs: ['l'], outputs: ['g'] }],
    ['Flatten', { inputs: ['g'], outputs: ['f'] }],
    ['Gemm', { inputs: ['f', 'dense'], outputs: ['y'], attributes: { transB: 1 } }],
  ],
  outputs: ['y'],
};

describe('layouts', () => {
  test('a chain of convolutions keeps channels last: one transposition of images, one of each filter', async () => {
    const network = await networkOf(CHAIN);
    await expectLikeRuntime(network, onnxFile(CHAIN), [image]);
    const kernels = await kernelsOf(network, [image]);
    expect(kernels.filter((name) => name === 'Transpose').length).toBe(4);
    expectGradients(network, [image], 1e-3);
    network.dispose();
  });

  test('transpositions of channels last take one step or none', async () => {
    const draft: GraphDraft = {
      inputs: { x: ['n', 3, 8, 8] },
      weights: { w: { shape: [4, 3, 1, 1] }, v: { shape: [4, 2] }, u: { shape: [2, 4, 1, 1] } },
      nodes: [
        ['Conv', { inputs: ['x', 'w'], outputs: ['c'] }],
        ['Transpose', { inputs: ['c'], outputs: ['t'], attributes: { perm: [0, 2, 3, 1] } }],
        ['MatMul', { inputs: ['t', 'v'], outputs: ['m'] }],
        ['Transpose', { inputs: ['c'], outputs: ['back'], attributes: { perm: [1, 0, 3, 2] } }],
      ],
      outputs: ['m', 'back'],
    };
    const network = await networkOf(draft);
    await expectLikeRuntime(network, onnxFile(draft), [image]);
    const kernels = await kernelsOf(network, [image]);
    // Images, the filter, and the second output.
    expect(kernels.filter((name) => name === 'Transpose').length).toBe(3);
    network.dispose();
  });

  test('softmax, splits, slices and reductions along any axis are those of ONNX', async () => {
    const draft: GraphDraft = {
      inputs: { x: ['n', 3, 8, 8] },
      weights: {
        w: { shape: [4, 3, 1, 1] },
        row: { shape: [8] },
        starts: { shape: [2], values: [1, -5], dtype: 'int64' },
        ends: { shape: [2], values: [4, 9], dtype: 'int64' },
        axes: { shape: [2], values: [1, 3], dtype: 'int64' },
      },
      nodes: [
        ['Conv', { inputs: ['x', 'w'], outputs: ['c'] }],
        ['Softmax', { inputs: ['c'], outputs: ['s'], attributes: { axis: 1 } }],
        ['LogSoftmax', { inputs: ['c'], outputs: ['l'], attributes: { axis: 2 } }],
        ['Add', { inputs: ['s', 'row'], outputs: ['a'] }],
        ['Split', { inputs: ['c'], outputs: ['p', 'q'], attributes: { axis: 2 } }],
        ['Slice', { inputs: ['c', 'starts', 'ends', 'axes'], outputs: ['k'] }],
        ['ReduceMax', { inputs: ['c'], outputs: ['r'], attributes: { axes: [1], keepdims: 1 } }],
        ['ReduceSum', { inputs: ['c', 'axes'], outputs: ['u'], attributes: { keepdims: 0 } }],
      ],
      outputs: ['s', 'l', 'a', 'p', 'q', 'k', 'r', 'u'],
    };
    const network = await networkOf(draft);
    await expectLikeRuntime(network, onnxFile(draft), [image]);
    network.dispose();
  });
});

test('tables whose rows are looked up are known, unless they are used otherwise, too', async () => {
  const network = await networkOf({
    inputs: { x: [2] },
    weights: { table: { shape: [7, 3] }, tied: { shape: [7, 3] }, columns: { shape: [7, 5] } },
    nodes: [
      ['Cast', { inputs: ['x'], outputs: ['i'], attributes: { to: 7 } }],
      ['Gather', { inputs: ['table', 'i'], outputs: ['a'] }],
      ['Gather', { inputs: ['tied', 'i'], outputs: ['b'] }],
      ['Gather', { inputs: ['columns', 'i'], outputs: ['c'], attributes: { axis: 1 } }],
      ['Add', { inputs: ['a', 'b'], outputs: ['s'] }],
      ['Transpose', { inputs: ['tied'], outputs: ['t'], attributes: { perm: [1, 0] } }],
      ['MatMul', { inputs: ['s', 't'], outputs: ['y'] }],
      ['MatMul', { inputs: ['y', 'c'], outputs: ['z'] }],
    ],
    outputs: ['z'],
  });
  const marked = network.weights.filter(({ isEmbedding }) => isEmbedding);
  expect(marked.map(({ name }) => name)).toEqual(['table']);
  expect(network.weights.map(({ name }) => name)).toEqual(['table', 'tied', 'columns']);
  network.dispose();
});

describe('what is known before', () => {
  const flat: GraphDraft = {
    inputs: { x: ['n', 3, 8, 8] },
    weights: {
      w: { shape: [192, 2] },
      first: { shape: [1], values: [0], dtype: 'int64' },
      rest: { shape: [1], values: [-1], dtype: 'int64' },
    },
    nodes: [
      ['Shape', { inputs: ['x'], outputs: ['s'] }],
      ['Gather', { inputs: ['s', 'first'], outputs: ['n'] }],
      ['Concat', { inputs: ['n', 'rest'], outputs: ['t'], attributes: { axis: 0 } }],
      ['Reshape', { inputs: ['x', 't'], outputs: ['f'] }],
      ['MatMul', { inputs: ['f', 'w'], outputs: ['y'] }],
    ],
    outputs: ['y'],
  };

  test('what follows from shapes is computed once for each batch size', async () => {
    const network = await networkOf(flat);
    for (const count of [2, 1, 5]) {
      const x = randomTensor([count, 3, 8, 8], count);
      await expectLikeRuntime(network, onnxFile(flat), [x]);
      const kernels = await kernelsOf(network, [x]);
      expect(kernels.filter((name) => /Gather|Concat|Pack|Slice/.test(name))).toEqual([]);
    }
    network.dispose();
  });

  test('what follows from constants that are not trained is computed once', async () => {
    const draft: GraphDraft = {
      inputs: { x: ['n', 4] },
      weights: {
        w: { shape: [4, 4] },
        mask: { shape: [4, 4], values: Array(16).fill(-1e9) },
        one: { shape: [] },
      },
      nodes: [
        ['Exp', { inputs: ['mask'], outputs: ['e'] }],
        ['Add', { inputs: ['e', 'one'], outputs: ['a'] }],
        ['MatMul', { inputs: ['x', 'w'], outputs: ['m'] }],
        ['MatMul', { inputs: ['m', 'a'], outputs: ['y'] }],
      ],
      outputs: ['y'],
    };
    const network = await networkOf(draft);
    expect(network.weights.map(({ name }) => name)).toEqual(['w']);
    const x = randomTensor([3, 4], 1);
    await expectLikeRuntime(network, onnxFile(draft), [x]);
    expect((await kernelsOf(network, [x])).filter((name) => /Exp|Add/.test(name))).toEqual([]);
    network.dispose();
  });

  test('runs keep nothing, and dispose() frees everything', async () => {
    const before = tf.memory().numTensors;
    const network = await networkOf(CHAIN);
    const counts = [2, 1, 2].map((count) => {
      const x = randomTensor([count, 3, 8, 8], count);
      tf.dispose(network.run([x], ['y']));
      x.dispose();
      return tf.memory().numTensors;
    });
    expect(counts[2]).toBe(counts[1]);
    await network.checkGradients?.([image], ['y']);
    network.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('control flow', () => {
  const branches = {
    then_branch: concat(
      node('Add', { inputs: ['x', 'w'], outputs: ['a'] }),
      field(2, 'then'),
      graphOutput('a', [3, 2]),
    ),
    else_branch: concat(
      node('Mul', { inputs: ['x', 'w'], outputs: ['m'] }),
      field(2, 'else'),
      graphOutput('m', [3, 2]),
    ),
  };

  const choosing: GraphDraft = {
    inputs: { x: ['n', 2], rate: [] },
    types: { rate: 7 },
    weights: { w: { shape: [2] }, limit: { shape: [], values: [16], dtype: 'int64' } },
    nodes: [
      ['Equal', { inputs: ['rate', 'limit'], outputs: ['is'] }],
      ['If', { inputs: ['is'], outputs: ['y'], attributes: branches }],
    ],
    outputs: ['y'],
  };

  test('a branch is chosen by a number that is an input', async () => {
    const network = await networkOf(choosing);
    const x = randomTensor([3, 2], 1);
    for (const rate of [16, 8, 16])
      await expectLikeRuntime(network, onnxFile(choosing), [x, tf.scalar(rate, 'int32')]);
    network.dispose();
  });

  test('a loop runs as often as constants say', async () => {
    const body = concat(
      node('Mul', { inputs: ['state', 'w'], outputs: ['next'] }),
      node('Identity', { inputs: ['going'], outputs: ['on'] }),
      node('Add', { inputs: ['next', 'x'], outputs: ['scan'] }),
      graphInput('turn', []),
      graphInput('going', []),
      graphInput('state', [2]),
      ...['on', 'next', 'scan'].map((name) => graphOutput(name, [2])),
    );
    const draft: GraphDraft = {
      inputs: { x: ['n', 2] },
      weights: { w: { shape: [2] }, turns: { shape: [], values: [3], dtype: 'int64' } },
      nodes: [['Loop', { inputs: ['turns', '', 'x'], outputs: ['y', 'all'], attributes: { body } }]],
      outputs: ['y', 'all'],
    };
    const network = await networkOf(draft);
    const x = randomTensor([3, 2], 1);
    expectGradients(network, [x]);
    const [y, all] = tf.tidy(() =>
      network.run([x], ['y', 'all']).map((each) => [each.shape, each.arraySync()]),
    );
    const w = [...network.weights[0]!.variable.dataSync()];
    expect(y?.[0]).toEqual([3, 2]);
    expect(all?.[0]).toEqual([3, 3, 2]);
    const [first] = x.arraySync() as number[][];
    expect((y as [unknown, number[][]])[1][0]![0]).toBeCloseTo(first![0]! * w[0]! ** 3, 6);
    network.dispose();
  });

  const signed = (batch: number | string): GraphDraft => ({
    inputs: { x: [batch, 2] },
    weights: { w: { shape: [2] }, zero: { shape: [], values: [0] } },
    nodes: [
      ['ReduceSum', { inputs: ['x'], outputs: ['sum'], attributes: { keepdims: 0 } }],
      ['Greater', { inputs: ['sum', 'zero'], outputs: ['is'] }],
      ['If', { inputs: ['is'], outputs: ['y'], attributes: branches }],
    ],
    outputs: ['y'],
  });

  test('a branch is chosen by what a run computes, and has gradients', async () => {
    const network = await networkOf(signed('n'));
    const xs = [tf.ones([3, 2]), tf.neg(tf.ones([3, 2])), randomTensor([3, 2], 4)];
    for (const x of [...xs, ...xs]) await expectLikeRuntime(network, onnxFile(signed('n')), [x]);
    for (const x of xs) {
      expectGradients(network, [x]);
      await network.checkGradients?.([x], ['y']);
    }
    const before = tf.memory().numTensors;
    for (let i = 0; i < 30; i++) tf.dispose(network.run([xs[i % 2]!], ['y']));
    expect(tf.memory().numTensors).toBe(before);
    network.dispose();
  });

  test('a branch is chosen for each example of a batch that the file fixes to one', async () => {
    const network = await networkOf(signed(1));
    const x = tf.tensor2d([1, 2, -3, 1, 4, -1, -1, -1], [4, 2]);
    const rows = [0, 1, 2, 3].map((i) => network.run([tf.slice(x, i, 1)], ['y'])[0] as tf.Tensor);
    expect([...(network.run([x], ['y'])[0] as tf.Tensor).dataSync()]).toEqual(
      rows.flatMap((row) => [...row.dataSync()]),
    );
    await expectLikeRuntime(network, onnxFile(signed(1)), [tf.slice(x, 1, 1)]);
    expectGradients(network, [x]);
    await network.checkGradients?.([x], ['y']);
    network.dispose();
  });

  test('conditions of several elements are refused, and so are loops that end by what they compute', async () => {
    const live: GraphDraft = {
      inputs: { x: [2] },
      weights: { w: { shape: [2] }, zero: { shape: [], values: [0] } },
      nodes: [
        ['Greater', { inputs: ['x', 'zero'], outputs: ['is'] }],
        ['If', { inputs: ['is'], outputs: ['y'], attributes: branches }],
      ],
      outputs: ['y'],
    };
    const network = await networkOf(live);
    expect(await errorOf(async () => network.run([tf.ones([2])], ['y']))).toMatchObject({
      code: 'unsupported-model',
      message: expect.stringContaining(
        'node "#1" (If) of the ONNX model: expected a condition of one element',
      ),
    });
    network.dispose();
    const until = concat(
      node('Greater', { inputs: ['state', 'zero'], outputs: ['on'] }),
      node('Sub', { inputs: ['state', 'w'], outputs: ['next'] }),
      ...['turn', 'going', 'state'].map((name) => graphInput(name, [])),
      ...['on', 'next'].map((name) => graphOutput(name, [])),
    );
    const ending = await networkOf({
      inputs: { x: [] },
      weights: { w: { shape: [] }, zero: { shape: [], values: [0] } },
      nodes: [['Loop', { inputs: ['', '', 'x'], outputs: ['y'], attributes: { body: until } }]],
      outputs: ['y'],
    });
    expect(await errorOf(async () => ending.run([tf.scalar(3)], ['y']))).toMatchObject({
      code: 'unsupported-model',
      message: expect.stringContaining('expected the condition of the next turn to follow from constants'),
    });
    ending.dispose();
  });

  test('a loop without end is refused', async () => {
    const endless = concat(
      node('Identity', { inputs: ['going'], outputs: ['on'] }),
      ...['turn', 'going'].map((name) => graphInput(name, [])),
      graphOutput('on', []),
    );
    const loop = await networkOf({
      inputs: { x: [2] },
      weights: { w: { shape: [2] } },
      nodes: [
        ['Loop', { inputs: ['', ''], outputs: [], attributes: { body: endless } }],
        [
          'Loop',
          {
            inputs: ['', '', 'x'],
            outputs: ['y'],
            attributes: { body: concat(endless, graphInput('z', []), graphOutput('on', [])) },
          },
        ],
      ],
      outputs: ['y'],
    });
    expect(await codeOf(async () => loop.run([tf.ones([2])], ['y']))).toBe('unsupported-model');
    loop.dispose();
  });
});

test('describe() tells of shapes, and of the activations that outputs end with', async () => {
  const network = await networkOf({
    inputs: { x: ['n', 4, 3] },
    weights: { w: { shape: [3, 2] }, flat: { shape: [2], values: [0, -1], dtype: 'int64' } },
    nodes: [
      ['MatMul', { inputs: ['x', 'w'], outputs: ['logits'] }],
      ['Softmax', { inputs: ['logits'], outputs: ['last'], attributes: { axis: -1 } }],
      ['Softmax', { inputs: ['logits'], outputs: ['first'], attributes: { axis: 0 } }],
      ['Sigmoid', { inputs: ['logits'], outputs: ['each'] }],
      ['Reshape', { inputs: ['each', 'flat'], outputs: ['rows'] }],
      ['Neg', { inputs: ['each'], outputs: ['other'] }],
    ],
    outputs: ['last', 'first', 'rows', 'other'],
  });
  const activations = ['x', 'logits', 'last', 'first', 'each', 'rows', 'other'].map(
    (name) => network.describe(name)?.activation,
  );
  expect(activations).toEqual([undefined, undefined, 'softmax', undefined, 'sigmoid', 'sigmoid', undefined]);
  expect(network.describe('x')?.shape).toEqual([null, 4, 3]);
  expect(network.describe('nothing')).toBeUndefined();
  network.dispose();
});
