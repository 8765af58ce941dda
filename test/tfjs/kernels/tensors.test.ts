import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  expectAgreement,
  resultOnWasm,
  runKernel,
  seededTensor,
  useTrainingKernels,
} from './both-backends.js';

describe('tile()', () => {
  test.each([
    [[3], [4]],
    [
      [2, 3],
      [1, 3],
    ],
    [
      [2, 3],
      [3, 1],
    ],
    [
      [2, 3],
      [1, 1],
    ],
    [
      [2, 3],
      [0, 2],
    ],
    [
      [1, 1, 1, 5],
      [4, 3, 2, 1],
    ],
    [
      [2, 3, 4],
      [3, 2, 5],
    ],
  ])('repeats %j by %j', async (shape, reps) => {
    await expectAgreement(() => tf.tile(seededTensor(1, shape), reps));
  });

  test('leaves integers to the stock kernel', async () => {
    await expectAgreement(() => tf.tile(tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32'), [2, 3]));
  });
});

describe('transpose()', () => {
  test.each([
    [
      [2, 3],
      [1, 0],
    ],
    [
      [2, 3, 4],
      [0, 2, 1],
    ],
    [
      [2, 3, 4],
      [0, 1, 2],
    ],
    [
      [1, 3, 1, 4],
      [1, 0, 3, 2],
    ],
    [
      [1, 3, 1, 4],
      [2, 3, 0, 1],
    ],
    [
      [0, 3],
      [0, 1],
    ],
  ])('moves the axes of %j to %j', async (shape, perm) => {
    await expectAgreement(() => tf.transpose(seededTensor(1, shape), perm));
  });

  test('moves the axes of tensors without elements', async () => {
    await tf.setBackend('wasm');
    useTrainingKernels();
    const moved = tf.tidy(() => tf.transpose(tf.zeros([0, 3, 4, 2]), [0, 3, 1, 2]));
    expect([moved.shape, (await moved.data()).length]).toEqual([[0, 2, 3, 4], 0]);
    moved.dispose();
  });

  test('shares the memory of what keeps its order', async () => {
    await tf.setBackend('wasm');
    useTrainingKernels();
    const x = seededTensor(1, [1, 3, 4]);
    const moved = tf.transpose(x, [1, 0, 2]);
    expect([moved.shape, moved.dataId === x.dataId]).toEqual([[3, 1, 4], true]);
    x.dispose();
    expect((await moved.data()).length).toBe(12);
    moved.dispose();
  });
});

describe('gather()', () => {
  const ids = () => tf.tensor2d([2, 0, 1, 2, 0, 2], [2, 3], 'int32');

  test.each([
    [[3], 0],
    [[3, 5], 0],
    [[3, 40], 0],
    [[2, 3], 1],
    [[2, 3, 20], 1],
    [[2, 4, 3], -1],
  ])('takes slices of %j along axis %i', async (shape, axis) => {
    await expectAgreement(() => tf.gather(seededTensor(1, shape), ids(), axis));
    await expectAgreement(() => tf.grad((x) => tf.square(tf.gather(x, ids(), axis)))(seededTensor(1, shape)));
  });

  test('leaves integers and indices out of range to the stock kernel', async () => {
    await expectAgreement(() => tf.gather(tf.tensor1d([5, 6, 7], 'int32'), ids()));
    await expect(resultOnWasm(() => tf.gather(seededTensor(1, [2, 3]), ids()))).rejects.toThrow(/not in/);
  });
});

describe('unsortedSegmentSum()', () => {
  const segments = () => tf.tensor1d([2, 0, 2, 4, 0, 2], 'int32');

  test.each([[[6]], [[6, 3]], [[6, 2, 5]]])('adds slices of %j', async (shape) => {
    await expectAgreement(() => tf.unsortedSegmentSum(seededTensor(1, shape), segments(), 5));
  });

  test('drops ids outside the range', async () => {
    const ids = () => tf.tensor1d([-1, 0, 7, 2, 0, 3], 'int32');
    await expectAgreement(() => tf.unsortedSegmentSum(seededTensor(1, [6, 2]), ids(), 3));
  });

  test('adds integers', async () => {
    await expectAgreement(() =>
      tf.unsortedSegmentSum(tf.tensor1d([1, 2, 3, 4, 5, 6], 'int32'), segments(), 5),
    );
  });

  test('is the gradient of a gather', async () => {
    const weights = () => seededTensor(2, [6, 4]);
    await expectAgreement(() =>
      tf.grad((table) => tf.mul(tf.gather(table, segments()), weights()))(seededTensor(1, [5, 4])),
    );
  });
});

describe.each([['sum()', tf.sum] as const, ['mean()', tf.mean] as const])('%s', (_, reduce) => {
  test.each([
    [[7, 5], [0]],
    [
      [4, 5, 6, 3],
      [0, 1, 2],
    ],
    [
      [4, 5, 6, 3],
      [1, 2],
    ],
    [
      [4, 5, 6, 3],
      [2, 1],
    ],
    [
      [4, 5, 6, 3],
      [0, 2],
    ],
    [[4, 5, 6, 3], [3]],
    [[4, 5, 6, 3], [-2]],
    [
      [64, 25, 1, 96],
      [0, 1, 2],
    ],
    [[0, 5], [0]],
  ])('reduces %j over %j', async (shape, axes) => {
    await expectAgreement(() => reduce(seededTensor(1, shape), axes));
    await expectAgreement(() => reduce(seededTensor(1, shape), axes, true));
  });

  test('leaves integers to the stock kernel', async () => {
    await expectAgreement(() => reduce(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2], 'int32'), 0));
  });
});

describe.each(['Max', 'Avg'] as const)('the gradient of %sPool', (kind) => {
  const grid = ([2, 3] as const).flatMap((size) =>
    ([1, 2, 3] as const).flatMap((stride) =>
      (['same', 'valid', 1] as const).map((pad) => ({ size, stride, pad })),
    ),
  );

  // Rounded inputs tie for the largest, so that the choice among equals is compared too.
  const input = () => tf.round(seededTensor(1, [3, 9, 8, 5]).mul(4));

  test.each(grid)('is that of the cpu backend: window $size, stride $stride, pad $pad', async (c) => {
    await expectAgreement(() => {
      const window = { filterSize: [c.size, c.size], strides: [c.stride, c.stride], pad: c.pad };
      const attrs = { ...window, dimRoundingMode: 'floor' };
      const pooled = runKernel(`${kind}Pool`, { x: input() }, attrs);
      const dy = seededTensor(2, pooled.shape);
      return runKernel(`${kind}PoolGrad`, { dy, input: input(), output: pooled }, attrs);
    });
  });
});

describe('batchNorm()', () => {
  const x = () => seededTensor(1, [3, 4, 5, 6]).add(100);
  const channel = (seed: number) => seededTensor(seed, [6]) as tf.Tensor1D;
  const variance = () => channel(3).abs() as tf.Tensor1D;

  test('normalizes by channel', async () => {
    const normalized = () =>
      tf.batchNorm(x(), channel(2).add(100) as tf.Tensor1D, variance(), channel(4), channel(5));
    await expectAgreement(normalized);
  });

  test('normalizes without scale and offset', async () => {
    await expectAgreement(() => tf.batchNorm(x(), channel(2).add(100) as tf.Tensor1D, variance()));
  });

  test('leaves parameters of the shape of the input to the stock kernel', async () => {
    const like = (seed: number) => seededTensor(seed, [3, 4, 5, 6]);
    await expectAgreement(() => tf.batchNorm(x(), like(2), like(3).abs()));
  });
});

test('kernels survive a growth of the wasm memory', async () => {
  const { values } = await resultOnWasm(() => tf.sum(tf.tile(tf.ones([1, 1 << 20]), [24, 1]), 0));
  expect(values[12345]).toBe(24);
});

describe('gather()', () => {
  const indices = () => tf.tensor1d([3, 0, 3, 1], 'int32');

  test.each([0, 1, 2, -1])('takes slices of axis %d, short and long', async (axis) => {
    await expectAgreement(() => tf.gather(seededTensor(1, [4, 5, 4]), indices(), axis));
    await expectAgreement(() => tf.gather(seededTensor(1, [4, 5, 40]), indices(), axis));
  });

  test('takes slices by several dimensions of indices, and by batches', async () => {
    const table = () => tf.tensor2d([1, 0, 2, 2, 1, 0], [2, 3], 'int32');
    await expectAgreement(() => tf.gather(seededTensor(1, [3, 20]), table()));
    await expectAgreement(() => tf.gather(seededTensor(1, [2, 3, 4]), table(), 1, 1));
    await expectAgreement(() => tf.gather(seededTensor(1, [2, 3, 20]), table(), 2, 1));
  });

  test('takes integers, and nothing', async () => {
    await expectAgreement(() => tf.gather(tf.tensor1d([5, 6, 7, 8], 'int32'), indices()));
    await expectAgreement(() => tf.gather(seededTensor(1, [4, 5]), tf.tensor1d([], 'int32')));
  });

  test('refuses an index outside the axis, as the stock kernel does', async () => {
    await tf.setBackend('wasm');
    useTrainingKernels();
    for (const index of [-1, 4]) {
      const take = () => tf.gather(seededTensor(1, [4, 5]), tf.tensor1d([0, index], 'int32'));
      expect(() => tf.tidy(take)).toThrow('GatherV2: the index value');
    }
  });
});
