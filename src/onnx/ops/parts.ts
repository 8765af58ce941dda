import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, countTo, type Inputs, inputAt, numbersFrom, valuesOf } from './arguments.js';

const split: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axis = axisOf(numberOf(context.node, 'axis', 0), x.rank);
  const size = x.shape[axis] as number;
  const count = numberOf(context.node, 'num_outputs', context.node.outputs.length);
  const sizes =
    numbersFrom(inputs, 1, { name: 'split', node: context.node }) ??
    equalParts(size, count, context.opset >= 18);
  if (sizes.reduce((sum, each) => sum + each, 0) !== size)
    throw new Error(`expected parts of ${size} elements together, got [${sizes}]`);
  return tf.split(x, [...sizes], axis);
};

/** @returns equal sizes; the last one is smaller if that is allowed */
function equalParts(size: number, count: number, hasSmaller: boolean): number[] {
  if (size % count !== 0 && !hasSmaller) throw new Error(`expected ${count} equal parts of ${size} elements`);
  const each = Math.ceil(size / count);
  return countTo(count).map((i) => Math.max(0, Math.min(each, size - i * each)));
}

/** A part of an axis: `count` elements from `start` on. */
interface Range {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

const slice: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  return takeRanges(
    x,
    rangesOf(x.shape, inputs, (i, name) => numbersFrom(inputs, i, { name, node: context.node })),
  );
};

function rangesOf(
  shape: readonly number[],
  inputs: Inputs,
  take: (index: number, name: string) => readonly number[] | undefined,
): Range[] {
  const [starts = [], ends = []] = [take(1, 'starts'), take(2, 'ends')];
  const axes = take(3, 'axes') ?? countTo(starts.length);
  const steps = inputs[4] ? valuesOf(inputs[4]) : [];
  const ranges = shape.map((size): Range => ({ start: 0, step: 1, count: size }));
  for (const [i, given] of axes.entries()) {
    const axis = axisOf(given, shape.length);
    const [start = 0, end = 0, step = 1] = [starts[i], ends[i], steps[i]];
    ranges[axis] = rangeOf(shape[axis] as number, { start, end, step });
  }
  return ranges;
}

function rangeOf(size: number, { start, end, step }: Record<'start' | 'end' | 'step', number>): Range {
  if (step === 0) throw new Error('expected a step other than 0');
  const [least, most] = step > 0 ? [0, size] : [-1, size - 1];
  const clip = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, least), most);
  const first = step > 0 ? clip(start) : Math.max(0, clip(start));
  return { start: first, step, count: Math.max(0, Math.ceil((clip(end) - first) / step)) };
}

/** Takes a range of each axis. */
function takeRanges(x: tf.Tensor, ranges: readonly Range[]): tf.Tensor {
  // Forwards and whole what can be, so that one slice takes most.
  const begins = ranges.map(({ start, step, count }) => (step === -1 ? start - count + 1 : start));
  const isSliced = ({ step }: Range): boolean => step === 1 || step === -1;
  const sizes = ranges.map((range, i) => (isSliced(range) ? range.count : (x.shape[i] as number)));
  const starts = begins.map((begin, i) => (isSliced(ranges[i] as Range) && ranges[i]?.count ? begin : 0));
  let part = tf.util.arraysEqual(sizes, x.shape) ? x : tf.slice(x, starts, sizes);
  for (const [axis, { start, step, count }] of ranges.entries()) {
    if (step === -1) part = tf.reverse(part, axis);
    else if (step !== 1)
      part = tf.gather(
        part,
        tf.tensor1d(
          countTo(count).map((i) => start + i * step),
          'int32',
        ),
        axis,
      );
  }
  return part;
}

/** Operators that take parts of tensors. */
export const PARTS: OperatorTable = { Slice: slice, Split: split };
