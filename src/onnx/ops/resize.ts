import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf, textOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, broadcastTo, checkedShape, countTo, inputAt, productOf, valuesOf } from './arguments.js';
import { take } from './gather.js';
import { interpolationOf, nearestPlaces, type Sampling } from './sampling.js';

const resize: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  if (context.opset < 11)
    return resizeBy(x, sizesBy(x, inputs[1]), OLD_SAMPLING(textOf(context.node, 'mode', 'nearest')));
  const axes = numbersOf(context.node, 'axes')?.map((axis) => axisOf(axis, x.rank)) ?? countTo(x.rank);
  const sampling: Sampling = {
    mode: textOf(context.node, 'mode', 'nearest'),
    coordinates: textOf(context.node, 'coordinate_transformation_mode', 'half_pixel'),
    rounding: textOf(context.node, 'nearest_mode', 'round_prefer_floor'),
    cubic: numberOf(context.node, 'cubic_coeff_a', -0.75),
    excludesOutside: numberOf(context.node, 'exclude_outside', 0) !== 0,
  };
  if (numberOf(context.node, 'antialias', 0)) throw new Error('expected no filter against aliasing');
  const sizes = sizesOf(x, axes, {
    scales: inputs[2]?.size ? valuesOf(inputs[2]) : undefined,
    sizes: inputs[3]?.size ? valuesOf(inputs[3]) : undefined,
    policy: textOf(context.node, 'keep_aspect_ratio_policy', 'stretch'),
  });
  return resizeBy(x, sizes, sampling);
};

const upsample: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const scales = inputs[1] ? valuesOf(inputs[1]) : numbersOf(context.node, 'scales');
  if (!scales) throw new Error('expected scales');
  return resizeBy(
    x,
    scaled(x, countTo(x.rank), scales),
    OLD_SAMPLING(textOf(context.node, 'mode', 'nearest')),
  );
};

/** How the first versions sample. */
const OLD_SAMPLING = (mode: string): Sampling => ({
  mode,
  coordinates: 'asymmetric',
  rounding: 'floor',
  cubic: -0.75,
  excludesOutside: false,
});

/** An axis's new size, and the scale by which coordinates are computed. */
interface Size {
  readonly size: number;
  readonly scale: number;
}

function sizesBy(x: tf.Tensor, scales: tf.Tensor | undefined): Size[] {
  return scaled(x, countTo(x.rank), scales ? valuesOf(scales) : []);
}

function scaled(x: tf.Tensor, axes: readonly number[], scales: readonly number[]): Size[] {
  if (scales.length !== axes.length) throw new Error(`expected ${axes.length} scales, got [${scales}]`);
  return x.shape.map((size, axis) => {
    const scale = scales[axes.indexOf(axis)] ?? 1;
    return { size: Math.floor(size * scale), scale };
  });
}

function sizesOf(
  x: tf.Tensor,
  axes: readonly number[],
  given: { scales: number[] | undefined; sizes: number[] | undefined; policy: string },
): Size[] {
  const { scales, sizes, policy } = given;
  if (scales) return scaled(x, axes, scales);
  if (sizes?.length !== axes.length) throw new Error(`expected scales or ${axes.length} sizes`);
  const ratios = axes.map((axis, i) => (sizes[i] as number) / (x.shape[axis] as number));
  const one = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return x.shape.map((before, axis) => {
    const size = sizes[axes.indexOf(axis)];
    if (size === undefined) return { size: before, scale: 1 };
    if (policy === 'stretch') return { size, scale: size / before };
    return { size: Math.round(before * one), scale: one };
  });
}

function resizeBy(x: tf.Tensor, sizes: readonly Size[], sampling: Sampling): tf.Tensor {
  checkedShape(sizes.map(({ size }) => size));
  return sizes.reduce((resized, size, axis) => {
    const before = x.shape[axis] as number;
    if (size.size === before && size.scale === 1) return resized;
    const along = { ...size, before };
    if (sampling.mode === 'nearest') return sampleNearest(resized, axis, nearestPlaces(along, sampling));
    return interpolate(resized, axis, interpolationOf(along, sampling));
  }, x);
}

function sampleNearest(x: tf.Tensor, axis: number, places: readonly number[]): tf.Tensor {
  const before = x.shape[axis] as number;
  const copies = places.length / before;
  const isRepeated = Number.isInteger(copies) && places.every((place, i) => place === Math.floor(i / copies));
  if (!isRepeated || x.dtype !== 'float32') return take(x, tf.tensor1d([...places], 'int32'), axis);
  // The gradient of copies is a sum, which is faster than that of indices.
  const inner = productOf(x.shape.slice(axis + 1));
  const rows = tf.reshape(x, [x.size / inner, 1, inner]);
  const shape = x.shape.map((size, i) => (i === axis ? places.length : size));
  return tf.reshape(broadcastTo(rows, [x.size / inner, copies, inner]), shape);
}

/** @param weights [before, after]: each column has the weights of the elements that one is computed from */
function interpolate(x: tf.Tensor, axis: number, weights: tf.Tensor2D): tf.Tensor {
  const order = countTo(x.rank);
  [order[axis], order[x.rank - 1]] = [x.rank - 1, axis];
  const moved = axis === x.rank - 1 ? x : tf.transpose(x, order);
  const rows = tf.reshape(moved, [-1, x.shape[axis] as number]);
  const product = tf.reshape(tf.matMul(rows, weights), [...moved.shape.slice(0, -1), weights.shape[1]]);
  return axis === x.rank - 1 ? product : tf.transpose(product, order);
}

/** Operators that resize images. */
export const RESIZES: OperatorTable = { Resize: resize, Upsample: upsample };
