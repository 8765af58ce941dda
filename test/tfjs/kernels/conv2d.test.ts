import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { type Attrs, expectAgreement, resultOnWasm, runKernel, seededTensor } from './both-backends.js';

interface Case {
  readonly input: [number, number, number, number];
  readonly filter: [number, number, number, number];
  readonly strides: [number, number];
  readonly pad: 'same' | 'valid' | number | [number, number][];
}

const explicitPad: [number, number][] = [
  [0, 0],
  [2, 1],
  [0, 3],
  [0, 0],
];

const grid: Case[] = [];
for (const pad of ['same', 'valid', 1, explicitPad] as const) {
  for (const strides of [
    [1, 1],
    [2, 2],
    [2, 1],
    [3, 2],
  ] as [number, number][]) {
    for (const kernel of [
      [3, 3],
      [1, 1],
      [5, 2],
      [1, 4],
    ] as [number, number][]) {
      grid.push({ input: [3, 11, 8, 3], filter: [...kernel, 3, 5], strides, pad });
    }
  }
}

const special: Record<string, Case> = {
  'one channel in and out': { input: [2, 7, 6, 1], filter: [3, 3, 1, 1], strides: [1, 1], pad: 'same' },
  'a temporal network': { input: [5, 49, 1, 40], filter: [5, 1, 40, 12], strides: [2, 1], pad: 'same' },
  'a spectrogram network': { input: [2, 49, 10, 1], filter: [10, 4, 1, 8], strides: [2, 2], pad: 'same' },
  'padding beyond the reach of the filter': {
    input: [2, 5, 6, 2],
    filter: [2, 2, 2, 3],
    strides: [1, 1],
    pad: 3,
  },
  'a pointwise filter with fewer outputs': {
    input: [2, 5, 6, 9],
    filter: [1, 1, 9, 4],
    strides: [1, 1],
    pad: 'valid',
  },
  'patches in several chunks': { input: [16, 64, 64, 8], filter: [3, 3, 8, 2], strides: [2, 2], pad: 'same' },
};

const attrsOf = ({ strides, pad }: Case): Attrs => ({ strides, pad, dataFormat: 'NHWC' });

function outputShape({ input, filter, strides, pad }: Case): number[] {
  const explicit = pad as tf.backend_util.ExplicitPadding;
  return tf.backend_util.computeConv2DInfo(input, filter, strides, 1, explicit).outShape;
}

function filterGradient(c: Case): tf.Tensor {
  const inputs = { x: seededTensor(1, c.input), dy: seededTensor(2, outputShape(c)) };
  return runKernel('Conv2DBackpropFilter', inputs, { ...attrsOf(c), filterShape: c.filter });
}

function inputGradient(c: Case): tf.Tensor {
  const inputs = { dy: seededTensor(3, outputShape(c)), filter: seededTensor(4, c.filter) };
  return runKernel('Conv2DBackpropInput', inputs, { ...attrsOf(c), inputShape: c.input });
}

/** Forward in one kernel with bias and activation, on enough images for SIMD to pay. */
const forward =
  (activation: 'linear' | 'relu') =>
  (c: Case): tf.Tensor => {
    const [, ...image] = c.input;
    return tf.fused.conv2d({
      x: seededTensor(5, [9, ...image]) as tf.Tensor4D,
      filter: seededTensor(6, c.filter) as tf.Tensor4D,
      strides: c.strides,
      pad: c.pad as tf.backend_util.ExplicitPadding,
      ...(typeof c.pad !== 'string' && { dimRoundingMode: 'floor' as const }),
      bias: seededTensor(7, [c.filter[3]]),
      activation,
    });
  };

function bare(c: Case): tf.Tensor {
  const inputs = { x: seededTensor(5, [9, ...c.input.slice(1)]), filter: seededTensor(6, c.filter) };
  return runKernel('Conv2D', inputs, { ...attrsOf(c), dilations: [1, 1], dimRoundingMode: 'floor' });
}

const described = (c: Case) => `filter ${c.filter} strides ${c.strides} pad ${JSON.stringify(c.pad)}`;

type Named = [string, (c: Case) => tf.Tensor];

/** The stock kernel goes wrong in some of these, and writes where it should not. */
const FORWARD: Named[] = [
  ['a convolution', bare],
  ['a convolution with bias', forward('linear')],
  ['a convolution with bias and rectifier', forward('relu')],
];

const KERNELS: Named[] = [
  ['conv2dFilterGradient()', filterGradient],
  ['conv2dInputGradient()', inputGradient],
  ...(process.env.TRAINING_KERNELS === 'composed' ? [] : FORWARD),
];

describe.each(KERNELS)('%s', (_, gradient) => {
  test.each(grid.map((c) => [described(c), c] as const))(
    'agrees with the cpu backend for %s',
    async (_, c) => {
      await expectAgreement(() => gradient(c));
    },
  );

  test.each(Object.entries(special))('agrees with the cpu backend for %s', async (_, c) => {
    await expectAgreement(() => gradient(c));
  });

  test('repeats itself bit for bit', async () => {
    const [first, second] = [
      await resultOnWasm(() => gradient(grid[0]!)),
      await resultOnWasm(() => gradient(grid[0]!)),
    ];
    expect(second.values).toEqual(first.values);
  });
});

test('gradients of no images are zeros', async () => {
  const c: Case = { input: [0, 5, 5, 2], filter: [3, 3, 2, 4], strides: [1, 1], pad: 'same' };
  const { values } = await resultOnWasm(() => filterGradient(c));
  expect(Array.from(values)).toEqual(new Array(72).fill(0));
  expect((await resultOnWasm(() => inputGradient(c))).shape).toEqual(c.input);
});

test('the heap does not grow with what an image would take unrolled', async () => {
  const c: Case = { input: [1, 256, 256, 64], filter: [3, 3, 64, 4], strides: [1, 1], pad: 'same' };
  await resultOnWasm(() => tf.sum(bare({ ...c, input: [9, 256, 256, 64] })));
  const heapBytes = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
  // 150 MB of patches, next to 17 MB an input.
  expect(heapBytes()).toBeLessThan(400e6);
});

test('dilation and other activations are left to the stock kernel', async () => {
  await expectAgreement(() =>
    tf.fused.conv2d({
      x: seededTensor(1, [9, 11, 8, 3]) as tf.Tensor4D,
      filter: seededTensor(2, [3, 3, 3, 5]) as tf.Tensor4D,
      strides: 1,
      pad: 'same',
      activation: 'elu',
    }),
  );
  await expectAgreement(() =>
    tf.conv2d(
      seededTensor(1, [9, 11, 8, 3]) as tf.Tensor4D,
      seededTensor(2, [3, 3, 3, 5]) as tf.Tensor4D,
      1,
      'same',
      'NHWC',
      [2, 2],
    ),
  );
});

test('conv2dFilterGradient() refuses channels-first data', async () => {
  const inputs = () => ({ x: seededTensor(1, [1, 2, 5, 5]), dy: seededTensor(2, [1, 3, 5, 5]) });
  const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NCHW', filterShape: [3, 3, 2, 3] };
  const run = resultOnWasm(() => runKernel('Conv2DBackpropFilter', inputs(), attrs));
  await expect(run).rejects.toThrow('expected "NHWC" data, got "NCHW"');
});
