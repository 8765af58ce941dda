import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import {
  axisOf,
  broadcastTo,
  checkedShape,
  commonShape,
  countTo,
  inputAt,
  numbersFrom,
  productOf,
  valuesOf,
  withGradient,
} from './arguments.js';

const reshape: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const wanted = numbersFrom(inputs, 1, { name: 'shape', node: context.node }) ?? [];
  const keepsZeros = numberOf(context.node, 'allowzero', 0) !== 0;
  const sizes = wanted.map((size, i) => (size === 0 && !keepsZeros ? (x.shape[i] as number) : size));
  const known = productOf(sizes.filter((size) => size !== -1));
  const whole = sizes.map((size) => (size === -1 ? x.size / known : size));
  if (productOf(whole) !== x.size || !whole.every(Number.isInteger))
    throw new Error(`expected a shape for ${x.size} elements, got [${wanted}] for [${x.shape}]`);
  return tf.reshape(x, whole);
};

const flatten: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axis = numberOf(context.node, 'axis', 1);
  const rows = productOf(x.shape.slice(0, axis < 0 ? axis + x.rank : axis));
  return tf.reshape(x, [rows, rows === 0 ? 0 : x.size / rows]);
};

const squeeze: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axes = numbersFrom(inputs, 1, { name: 'axes', node: context.node })?.map((axis) =>
    axisOf(axis, x.rank),
  );
  const isKept = (size: number, i: number): boolean => (axes ? !axes.includes(i) : size !== 1);
  const kept = x.shape.filter(isKept);
  if (productOf(kept) !== x.size)
    throw new Error(`expected sizes of 1 at the axes [${axes}] of [${x.shape}]`);
  return tf.reshape(x, kept);
};

const unsqueeze: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axes = numbersFrom(inputs, 1, { name: 'axes', node: context.node }) ?? [];
  const rank = x.rank + axes.length;
  const added = axes.map((axis) => axisOf(axis, rank));
  const rest = [...x.shape];
  return tf.reshape(
    x,
    countTo(rank).map((i) => (added.includes(i) ? 1 : (rest.shift() as number))),
  );
};

const expand: Operator = (inputs) => {
  const x = inputAt(inputs, 0);
  return broadcastTo(x, commonShape(x.shape, valuesOf(inputAt(inputs, 1))));
};

const tile: Operator = (inputs) => {
  const [x, second, axis] = [inputAt(inputs, 0), valuesOf(inputAt(inputs, 1)), inputs[2]];
  if (!axis) return repeated(x, second);
  // The first version: a number of copies along one axis.
  const along = axisOf(valuesOf(axis)[0] as number, x.rank);
  return repeated(
    x,
    x.shape.map((_, i) => (i === along ? (second[0] as number) : 1)),
  );
};

/** Repeats a tensor along its axes. */
function repeated(x: tf.Tensor, counts: readonly number[]): tf.Tensor {
  if (counts.length !== x.rank) throw new Error(`expected ${x.rank} counts, got [${counts}]`);
  checkedShape(x.shape.map((size, i) => size * (counts[i] as number)));
  const compute = (): tf.Tensor => (x.rank === 0 ? tf.clone(x) : tf.tile(x, [...counts]));
  return withGradient({ inputs: [x] }, compute, (dy) => [sumCopies(dy, x.shape, counts)]);
}

/** The gradient of `repeated`. */
function sumCopies(dy: tf.Tensor, sizes: readonly number[], counts: readonly number[]): tf.Tensor {
  let sum = dy;
  for (const [i, count] of counts.entries()) {
    if (count === 1) continue;
    const outer = productOf(sizes.slice(0, i));
    sum = tf.sum(tf.reshape(sum, [outer, count, sum.size / outer / count]), 1);
  }
  return tf.reshape(sum, [...sizes]);
}

/** Moves channels into blocks of pixels, or back: a transposition of six axes. */
function blocks(arrange: (sizes: Sizes) => { from: number[]; order: number[]; to: number[] }): Operator {
  return (inputs, context) => {
    const x = inputAt(inputs, 0);
    const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
    const block = numberOf(context.node, 'blocksize', 1);
    const isColumnFirst = context.node.attributes.get('mode') === 'CRD';
    const { from, order, to } = arrange({ batch, channels, height, width, block, isColumnFirst });
    return tf.reshape(tf.transpose(tf.reshape(x, from), order), to);
  };
}

interface Sizes extends Record<'batch' | 'channels' | 'height' | 'width' | 'block', number> {
  /** Whether channels vary slower than the pixels of a block. */
  readonly isColumnFirst: boolean;
}

const depthToSpace = blocks(({ batch, channels, height, width, block, isColumnFirst }) => {
  const depth = channels / block ** 2;
  return {
    from: isColumnFirst
      ? [batch, depth, block, block, height, width]
      : [batch, block, block, depth, height, width],
    order: isColumnFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2],
    to: [batch, depth, height * block, width * block],
  };
});

const spaceToDepth = blocks(({ batch, channels, height, width, block }) => ({
  from: [batch, channels, height / block, block, width / block, block],
  order: [0, 3, 5, 1, 2, 4],
  to: [batch, channels * block ** 2, height / block, width / block],
}));

/** Operators that change shapes and move elements, without arithmetic. */
export const SHAPES: OperatorTable = {
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  SpaceToDepth: spaceToDepth,
  Squeeze: squeeze,
  Tile: tile,
  Unsqueeze: unsqueeze,
};
