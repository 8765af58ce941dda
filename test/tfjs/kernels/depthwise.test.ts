import * as tf from '@tensorflow/tfjs';
import { describe, test } from 'vitest';
import {
  expectAgreement,
  expectClose,
  resultOnCpu,
  resultOnWasm,
  runKernel,
  seededTensor,
} from './both-backends.js';

type Shape = [number, number, number, number];

interface Case {
  readonly input: Shape;
  readonly filter: Shape;
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly pad: 'same' | 'valid' | number;
}

const pads = ['same', 'valid', 1] as const;
const kernels: [number, number][] = [
  [3, 3],
  [5, 2],
  [1, 1],
  [9, 1],
];
const undilated: [number, number] = [1, 1];

const strided: Case[] = [];
for (const pad of pads) {
  for (const strides of [
    [1, 1],
    [2, 2],
    [1, 3],
  ] as [number, number][]) {
    for (const kernel of kernels) {
      for (const multiplier of [1, 2, 3]) {
        const filter: Shape = [...kernel, 5, multiplier];
        strided.push({ input: [3, 11, 8, 5], filter, strides, dilations: undilated, pad });
      }
    }
  }
}

const dilated: Case[] = [];
for (const pad of pads) {
  for (const strides of [
    [1, 1],
    [2, 1],
  ] as [number, number][]) {
    for (const dilations of [
      [2, 2],
      [1, 3],
    ] as [number, number][]) {
      dilated.push({ input: [2, 13, 9, 4], filter: [3, 2, 4, 2], strides, dilations, pad });
    }
  }
}

const special: Record<string, Case> = {
  'a single channel': {
    input: [2, 6, 7, 1],
    filter: [3, 3, 1, 1],
    strides: [1, 1],
    dilations: undilated,
    pad: 'same',
  },
  'a temporal network': {
    input: [4, 25, 1, 33],
    filter: [7, 1, 33, 1],
    strides: [1, 1],
    dilations: undilated,
    pad: 'same',
  },
  'padding beyond the reach of the filter': {
    input: [2, 5, 6, 3],
    filter: [2, 2, 3, 2],
    strides: [1, 1],
    dilations: undilated,
    pad: 3,
  },
};

function outputShape({ input, filter, strides, dilations, pad }: Case): number[] {
  return tf.backend_util.computeConv2DInfo(input, filter, strides, dilations, pad, undefined, true).outShape;
}

function filterGradient(c: Case): tf.Tensor {
  const inputs = { x: seededTensor(1, c.input), dy: seededTensor(2, outputShape(c)) };
  const { strides, dilations, pad } = c;
  const attrs = { strides, dilations, pad, filterShape: c.filter };
  return runKernel('DepthwiseConv2dNativeBackpropFilter', inputs, attrs);
}

function inputGradient(c: Case, filter = seededTensor(4, c.filter)): tf.Tensor {
  const inputs = { dy: seededTensor(3, outputShape(c)), filter };
  const { strides, dilations, pad } = c;
  const attrs = { strides, dilations, pad, inputShape: c.input };
  return runKernel('DepthwiseConv2dNativeBackpropInput', inputs, attrs);
}

/** The same convolution without dilation, for the gradients of the cpu backend, which disregard dilations. */
function withWideFilter(c: Case): Case {
  const [height, width, channels, multiplier] = c.filter;
  const [down, across] = c.dilations;
  const filter: Shape = [(height - 1) * down + 1, (width - 1) * across + 1, channels, multiplier];
  return { ...c, filter, dilations: undilated };
}

/** Puts zeros between the taps of a filter: for each axis, a step of the dilation. */
function widened(filter: tf.Tensor, c: Case): tf.Tensor {
  return [0, 1].reduce((wide, axis) => {
    const dilation = c.dilations[axis]!;
    const taps = tf.split(wide, wide.shape[axis]!, axis);
    const zeros = tf.zerosLike(taps[0]!);
    const spread = taps.flatMap((tap, i) => [...(i > 0 ? Array(dilation - 1).fill(zeros) : []), tap]);
    return tf.concat(spread, axis);
  }, filter);
}

const described = (c: Case) =>
  `filter ${c.filter} strides ${c.strides} dilations ${c.dilations} pad ${JSON.stringify(c.pad)}`;
const named = (cases: Case[]) => cases.map((c) => [described(c), c] as const);
const ordinary = [...named(strided), ...Object.entries(special)];

describe('depthwiseFilterGradient()', () => {
  test.each(ordinary)('agrees with the cpu backend for %s', async (_, c) => {
    await expectAgreement(() => filterGradient(c));
  });

  test.each(named(dilated))('agrees with the taps of a wide filter for %s', async (_, c) => {
    const everyTap = () => {
      const wide = filterGradient(withWideFilter(c));
      return tf.stridedSlice(wide, [0, 0, 0, 0], wide.shape, [...c.dilations, 1, 1]);
    };
    expectClose(await resultOnWasm(() => filterGradient(c)), await resultOnCpu(everyTap));
  });
});

describe('depthwiseInputGradient()', () => {
  test.each(ordinary)('agrees with the cpu backend for %s', async (_, c) => {
    await expectAgreement(() => inputGradient(c));
  });

  test.each(named(dilated))('agrees with a filter widened by zeros for %s', async (_, c) => {
    const wide = () => inputGradient(withWideFilter(c), widened(seededTensor(4, c.filter), c));
    expectClose(await resultOnWasm(() => inputGradient(c)), await resultOnCpu(wide));
  });
});
