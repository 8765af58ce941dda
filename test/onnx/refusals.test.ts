import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { Tensor } from '../../src/model/tensor.js';
import { createOnnxTask } from '../../src/onnx/create-onnx-task.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { field, tensorProto, varint } from '../containers/write-onnx.js';
import { concat } from '../support.js';
import { expectGradients, expectLikeRuntime } from './compare.js';
import { type GraphDraft, networkOf, onnxFile, randomTensor } from './graphs.js';

beforeAll(() => useBackend('wasm'));

const loss = 'meanSquaredError';

/** A product of rows, with changes. */
const linear = (changes: Partial<GraphDraft> = {}): GraphDraft => ({
  inputs: { x: ['n', 4] },
  weights: { w: { shape: [4, 3] } },
  nodes: [['MatMul', { inputs: ['x', 'w'], outputs: ['y'] }]],
  outputs: ['y'],
  ...changes,
});

async function refusalOf(run: () => Promise<unknown>): Promise<NeuralDiffError> {
  const before = tf.memory().numTensors;
  const error = await run().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NeuralDiffError);
  expect(tf.memory().numTensors).toBe(before);
  return error as NeuralDiffError;
}

describe('createOnnxTask() refuses', () => {
  test('operators that are missing, all at once, with the names of their nodes', async () => {
    const draft = linear({
      nodes: [
        ['Unheard', { inputs: ['x'], outputs: ['a'] }],
        ['Of', { inputs: ['a'], outputs: ['b'], domain: 'some.where' }],
        ['MatMul', { inputs: ['b', 'w'], outputs: ['y'] }],
        ['Unneeded', { inputs: ['x'], outputs: ['c'] }],
      ],
    });
    const { code, message } = await refusalOf(() => createOnnxTask(onnxFile(draft), { loss }));
    expect(code).toBe('unsupported-model');
    expect(message).toContain('got Unheard (node "#0"); some.where:Of (node "#1")');
  });

  test('values that the model does not have, as mistakes of the program', async () => {
    const before = tf.memory().numTensors;
    const task = createOnnxTask(onnxFile(linear()), { loss, outputs: ['other'] });
    await expect(task).rejects.toThrow(RangeError);
    await expect(task).rejects.toThrow('its outputs are "y"');
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([6, 99])('version %i of the operators', async (opset) => {
    const { code, message } = await refusalOf(() => createOnnxTask(onnxFile(linear({ opset })), { loss }));
    expect(code).toBe('unsupported-model');
    expect(message).toContain(`operators of version ${opset}`);
  });

  test('a model whose weights are all integers', async () => {
    const draft = linear({
      weights: { w: { shape: [4, 3], dtype: 'int64', values: Array(12).fill(1) } },
      nodes: [
        ['Cast', { inputs: ['w'], outputs: ['f'], attributes: { to: 1 } }],
        ['MatMul', { inputs: ['x', 'f'], outputs: ['y'] }],
      ],
    });
    expect((await refusalOf(() => createOnnxTask(onnxFile(draft), { loss }))).code).toBe('unsupported-model');
  });

  test('values that would not fit into memory', async () => {
    const draft = linear({
      weights: { w: { shape: [4, 3] }, huge: { shape: [2], dtype: 'int64', values: [2 ** 31, 2 ** 20] } },
      nodes: [
        ['ConstantOfShape', { inputs: ['huge'], outputs: ['zeros'] }],
        ['MatMul', { inputs: ['x', 'w'], outputs: ['m'] }],
        ['Add', { inputs: ['m', 'zeros'], outputs: ['y'] }],
      ],
    });
    const { code, message } = await refusalOf(() => createOnnxTask(onnxFile(draft), { loss }));
    expect(code).toBe('unsupported-model');
    expect(message).toContain('node "#0" (ConstantOfShape)');
  });

  test('shapes that do not fit, with the node', async () => {
    const draft = linear({ weights: { w: { shape: [5, 3] } } });
    const network = await networkOf(draft);
    const x = randomTensor([2, 4], 1);
    const { code, message } = await refusalOf(async () => network.run([x], ['y']));
    expect(code).toBe('unsupported-model');
    expect(message).toContain('node "#0" (MatMul)');
    network.dispose();
  });
});

test('createOnnxTask() leaves out nodes, operators and weights that the chosen outputs do not need', async () => {
  const draft = linear({
    weights: { w: { shape: [4, 3] }, v: { shape: [3, 2] }, other: { shape: [4, 2] } },
    nodes: [
      ['MatMul', { inputs: ['x', 'w'], outputs: ['h'] }],
      ['MatMul', { inputs: ['h', 'v'], outputs: ['y'] }],
      ['MatMul', { inputs: ['x', 'other'], outputs: ['o'] }],
      ['Unheard', { inputs: ['o'], outputs: ['z'] }],
    ],
    outputs: ['y', 'z', 'x'],
  });
  const file = onnxFile(draft);
  expect((await refusalOf(() => createOnnxTask(file, { loss }))).message).toContain('got Unheard');
  const trained = async (...outputs: string[]) => {
    const task = await createOnnxTask(file, { loss, outputs });
    const [y] = tf.tidy(() => task.outputs([randomTensor([2, 4], 1)]).map(({ shape }) => shape));
    task.dispose?.();
    return [y, ...task.weights.map(({ name }) => name)];
  };
  expect(await trained('y')).toEqual([[2, 2], 'w', 'v']);
  expect(await trained('h')).toEqual([[2, 3], 'w']);
  expect(await trained('o', 'y')).toEqual([[2, 2], 'w', 'v', 'other']);
  expect((await refusalOf(() => createOnnxTask(file, { loss, outputs: ['x'] }))).message).toContain(
    'got none',
  );
});

describe('checkGradients()', () => {
  test('refuses an operator that TensorFlow.js cannot differentiate, and a gradient that is wrong', async () => {
    const network = await networkOf(linear());
    const [weight] = network.weights;
    const x = randomTensor([2, 4], 1);
    await network.checkGradients?.([x], ['y']);
    // A gradient that is off by a half, as one of another kernel might be.
    const stock = tf.getGradient('BatchMatMul') as tf.GradConfig;
    const gradFunc: tf.GradFunc = (dy, saved, attrs) =>
      stock.gradFunc(tf.mul(dy as tf.Tensor, 1.5), saved, attrs);
    tf.unregisterGradient('BatchMatMul');
    try {
      tf.registerGradient({ ...stock, gradFunc });
      const start = weight?.variable.dataSync().slice();
      const wrong = await refusalOf(async () => network.checkGradients?.([x], ['y']));
      expect(wrong.message).toContain('differ');
      expect(weight?.variable.dataSync()).toEqual(start);
      tf.unregisterGradient('BatchMatMul');
      // TensorFlow.js keeps what it has saved for gradients when one of them is missing.
      await expect(network.checkGradients?.([x], ['y'])).rejects.toMatchObject({
        code: 'unsupported-model',
        message: expect.stringContaining('BatchMatMul'),
      });
      tf.registerGradient({
        ...stock,
        gradFunc: () => ({ a: () => tf.zeros([2, 4]), b: () => tf.fill([4, 3], Number.NaN) }),
      });
      const missing = await refusalOf(async () => network.checkGradients?.([x], ['y']));
      expect(missing.message).toContain('no gradient reaches "w"');
    } finally {
      if (tf.getGradient('BatchMatMul')) tf.unregisterGradient('BatchMatMul');
      tf.registerGradient(stock);
    }
    network.dispose();
  });
});

describe('weights', () => {
  const trainedOf = async (draft: GraphDraft, protoOf = (tensor: Tensor) => tensorProto(tensor)) => {
    const task = await createOnnxTask(onnxFile(draft, protoOf), { loss });
    task.dispose?.();
    return task.weights.map(({ name }) => name);
  };

  test('are trained if a gradient reaches them; statistics, masks, limits and single numbers are not', async () => {
    const draft: GraphDraft = {
      inputs: { x: ['n', 4] },
      weights: {
        ...{ w: { shape: [4, 4] }, bias: { shape: [1] }, out: { shape: [4, 1] }, unused: { shape: [4] } },
        ...{ scale: { shape: [4] }, offset: { shape: [4] }, mean: { shape: [4] } },
        variance: { shape: [4], values: [1, 1, 1, 1] },
        mask: { shape: [4], values: [0, 0, -1e4, 0] },
        ...{ half: { shape: [], values: [0.5] }, two: { shape: [1], values: [2] }, compared: { shape: [4] } },
      },
      nodes: [
        ['MatMul', { inputs: ['x', 'w'], outputs: ['a'] }],
        ['BatchNormalization', { inputs: ['a', 'scale', 'offset', 'mean', 'variance'], outputs: ['b'] }],
        ['Add', { inputs: ['b', 'mask'], outputs: ['c'] }],
        ['Pow', { inputs: ['c', 'two'], outputs: ['d'] }],
        ['Clip', { inputs: ['d', 'half'], outputs: ['e'] }],
        ['Greater', { inputs: ['e', 'compared'], outputs: ['f'] }],
        ['Where', { inputs: ['f', 'e', 'b'], outputs: ['g'] }],
        ['MatMul', { inputs: ['g', 'out'], outputs: ['h'] }],
        ['Add', { inputs: ['h', 'bias'], outputs: ['y'] }],
      ],
      outputs: ['y'],
    };
    expect(await trainedOf(draft)).toEqual(['w', 'bias', 'out', 'scale', 'offset']);
    const network = await networkOf(draft);
    expect(network.stored?.tensors.length).toBe(Object.keys(draft.weights ?? {}).length);
    network.dispose();
  });

  test('are not trained where their file cannot be changed in place', async () => {
    const draft = linear({
      weights: { w: { shape: [4, 3] }, v: { shape: [3] } },
      nodes: [
        ...linear().nodes.map(([op, node]) => [op, { ...node, outputs: ['m'] }] as const),
        ['Mul', { inputs: ['m', 'v'], outputs: ['y'] }],
      ],
    });
    expect(await trainedOf(draft)).toEqual(['w', 'v']);
    // Halves as varints, as some writers have them.
    const asVarints = (tensor: Tensor): Uint8Array => {
      const ones = concat(...Array.from({ length: 3 }, () => varint(0x3c00)));
      return tensorProto({ ...tensor, dtype: 'float16' }, () => field(5, ones));
    };
    const mixed = (tensor: Tensor) => (tensor.name === 'v' ? asVarints(tensor) : tensorProto(tensor));
    expect(await trainedOf(draft, mixed)).toEqual(['w']);
  });
});

describe('files with a fixed batch', () => {
  const fixed = (shape: readonly number[]): GraphDraft =>
    linear({
      inputs: { x: [1, 4] },
      weights: { w: { shape: [4, 3] }, shape: { shape: [2], dtype: 'int64', values: shape } },
      nodes: [
        ['MatMul', { inputs: ['x', 'w'], outputs: ['m'] }],
        ['Reshape', { inputs: ['m', 'shape'], outputs: ['r'] }],
        ['Softmax', { inputs: ['r'], outputs: ['y'] }],
      ],
    });

  test.each([[[-1, 3]], [[1, 3]], [[1, -1]]])(
    'run any number of examples, reshaped to [%s]',
    async (shape) => {
      const network = await networkOf(fixed(shape));
      await expectLikeRuntime(network, onnxFile(fixed(shape)), [randomTensor([1, 4], 2)]);
      const free = await networkOf({ ...fixed([-1, 3]), inputs: { x: ['n', 4] } });
      const x = randomTensor([5, 4], 1);
      const [y, expected] = [network, free].map((each) => {
        each.weights[0]?.variable.assign(tf.ones([4, 3]));
        const [output] = each.run([x], ['y']);
        return output as tf.Tensor;
      });
      expect(y?.shape).toEqual([5, 3]);
      expect(y?.dataSync()).toEqual(expected?.dataSync());
      await network.checkGradients?.([x], ['y']);
      expectGradients(network, [x]);
      for (const each of [network, free]) each.dispose();
    },
  );
});
