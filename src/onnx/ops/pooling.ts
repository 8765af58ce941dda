import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf } from '../attributes.js';
import type { OnnxNode } from '../graph.js';
import { lastOf } from '../layout.js';
import type { Lowering, LoweringTable } from '../lowering.js';
import type { Value } from '../recorder.js';
import { overImages, paddingOf, padFor, tapsOf } from './convolution.js';
import { type AxisWindows, type Window, windowOf, windowsAlong } from './window.js';

type Pool = (images: tf.Tensor4D, window: Window, node: OnnxNode) => tf.Tensor;

/** An operator that reduces windows of images. */
const pooling =
  (pool: Pool): Lowering =>
  ([x], { node, recorder }) => {
    const window = windowOf(node, numbersOf(node, 'kernel_shape') ?? []);
    const run = (last: tf.Tensor): tf.Tensor => overImages(last, (images) => pool(images, window, node));
    return recorder.emit([lastOf(recorder, x as Value)], ([last]) => run(last as tf.Tensor), {
      isLast: true,
    });
  };

const maxPool: Pool = (x, window) => {
  const isDilated = window.dilations.some((dilation) => dilation > 1);
  if (isDilated) {
    // Below all numbers of float32, and finite, as 0 times infinity is no number.
    const taps = tapsOf(x, window, -3.4e38);
    return taps.reduce((a, b) => tf.maximum(a, b));
  }
  const pad = padFor(paddingOf(window, x.shape));
  return tf.maxPool(x, [...window.size], [...window.strides], pad);
};

/**
 * Means of whole windows, corrected where a window has pixels that do not count: the gradient of
 * TensorFlow.js for padded windows divides by their whole size.
 */
const averagePool: Pool = (x, window, node) => {
  if (window.dilations.some((dilation) => dilation > 1)) throw new Error('expected no dilations');
  const [, height, width] = x.shape;
  const rows = windowsAlong(window, 0, height);
  const columns = windowsAlong(window, 1, width);
  const padding = paddingOf(window, x.shape);
  const isPadded = padFor(padding) !== 'valid';
  const padded = isPadded ? tf.pad(x, padding) : x;
  const means = tf.avgPool(padded as tf.Tensor4D, [...window.size], [...window.strides], 'valid');
  if (!isPadded) return means;
  const isWhole = numberOf(node, 'count_include_pad', 0) !== 0;
  const shares = [sharesAlong(window, 0, { ...rows, length: height, isWhole })];
  shares.push(sharesAlong(window, 1, { ...columns, length: width, isWhole }));
  const [down, across] = shares as [number[], number[]];
  const factors = down.flatMap((a) => across.map((b) => 1 / (a * b)));
  return factors.every((each) => each === 1)
    ? means
    : tf.mul(means, tf.tensor(factors, [1, rows.count, columns.count, 1]));
};

/** @returns the share of pixels that count in each window along an axis */
function sharesAlong(
  { size, strides }: Window,
  axis: 0 | 1,
  image: AxisWindows & { length: number; isWhole: boolean },
): number[] {
  const [first, end] = image.isWhole ? [-image.begin, image.length + image.end] : [0, image.length];
  return Array.from({ length: image.count }, (_, i) => {
    const start = i * strides[axis] - image.begin;
    return (Math.min(end, start + size[axis]) - Math.max(first, start)) / size[axis];
  });
}

/** An operator that reduces whole images to a pixel. */
const overPixels =
  (reduce: (x: tf.Tensor, axes: number[]) => tf.Tensor): Lowering =>
  ([x], { recorder }) => {
    const last = lastOf(recorder, x as Value);
    const axes = Array.from({ length: last.tensor.rank - 2 }, (_, i) => i + 1);
    return recorder.emit([last], ([tensor]) => reduce(tensor as tf.Tensor, axes), { isLast: true });
  };

/** Reductions of images. */
export const POOLINGS: LoweringTable = {
  AveragePool: pooling(averagePool),
  GlobalAveragePool: overPixels((x, axes) => tf.mean(x, axes, true)),
  GlobalMaxPool: overPixels((x, axes) => tf.max(x, axes, true)),
  MaxPool: pooling(maxPool),
};
