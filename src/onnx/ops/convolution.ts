import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf, textOf } from '../attributes.js';
import type { OnnxNode } from '../graph.js';
import { lastOf, plainOf } from '../layout.js';
import type { Lowering, LoweringContext, LoweringTable } from '../lowering.js';
import type { Value } from '../recorder.js';
import { extentOf, splitPads, type Window, windowOf, windowsAlong } from './window.js';

type Images = tf.Tensor4D;
type Filter = tf.Tensor4D;

/** A convolution of images; filters are [rows, columns, channels in, channels out]. */
type Convolve = (images: Images, filter: Filter, bias: tf.Tensor1D | undefined) => tf.Tensor;

/** A convolution along one or two dimensions, with groups of channels. */
const conv: Lowering = (inputs, context) => {
  const [x, weight, bias] = inputs as [Value, Value, Value | undefined];
  const { node } = context;
  const groups = numberOf(node, 'group', 1);
  const [, channelsIn = 1, ...size] = weight.tensor.shape;
  const window = windowOf(node, size);
  const isDepthwise = groups > 1 && channelsIn === 1;
  const filter = filterOf(weight, context, {
    key: `filter ${isDepthwise}`,
    compute: (w) => (isDepthwise ? depthwiseFilter(w, groups) : tf.transpose(w, [2, 3, 1, 0])),
  });
  const single: Convolve = (images, kernel, offset) => convolve(images, kernel, { window, bias: offset });
  const convolution: Convolve = isDepthwise
    ? (images, kernel, offset) => addBias(depthwise(images, kernel, window), offset)
    : byGroups(groups, single);
  return record(context, [x, filter, bias], convolution);
};

/** Records a convolution over the images of a value; sequences are images of one row. */
function record(context: LoweringContext, inputs: readonly (Value | undefined)[], run: Convolve): Value[] {
  const [x, filter, bias] = inputs as [Value, Value, Value | undefined];
  const { recorder } = context;
  return recorder.emit(
    [lastOf(recorder, x), filter, bias],
    ([last, w, b]) =>
      overImages(last as tf.Tensor, (images) => run(images, w as Filter, b as tf.Tensor1D | undefined)),
    { isLast: true },
  );
}

/** Runs a function of images [batch, rows, columns, channels] on sequences [batch, length, channels], too. */
export function overImages(x: tf.Tensor, run: (images: Images) => tf.Tensor): tf.Tensor {
  if (x.rank === 4) return run(x as Images);
  if (x.rank !== 3) throw new Error(`expected 1 or 2 spatial dimensions, got ${x.rank - 2}`);
  return tf.squeeze(run(tf.expandDims(x, 1) as Images), [1]);
}

/** @returns a filter in the order of TensorFlow.js, computed once if the weight is not trained */
function filterOf(
  weight: Value,
  { recorder }: LoweringContext,
  { key, compute }: { key: string; compute: (weight: Filter) => tf.Tensor },
): Value {
  const asImage = (w: tf.Tensor): Filter => (w.rank === 3 ? (tf.expandDims(w, 2) as Filter) : (w as Filter));
  return recorder.derive(plainOf(recorder, weight), { key, compute: (w) => compute(asImage(w)) });
}

/** @returns [rows, columns, channels, multiples] */
function depthwiseFilter(w: Filter, channels: number): tf.Tensor {
  const [out, , rows, columns] = w.shape;
  return tf.transpose(tf.reshape(w, [channels, out / channels, rows, columns]), [2, 3, 0, 1]);
}

/** Splits channels of images, and the last dimension of filters, into groups, and joins the results. */
function byGroups(groups: number, run: Convolve): Convolve {
  if (groups === 1) return run;
  return (images, filter, bias) => {
    const filters = tf.split(filter, groups, 3);
    const parts = tf.split<Images>(images, groups, 3);
    const results = parts.map((part, i) => run(part, filters[i] as Filter, undefined));
    return addBias(tf.concat(results, 3), bias);
  };
}

function addBias(x: tf.Tensor, bias: tf.Tensor1D | undefined): tf.Tensor {
  return bias ? tf.add(x, bias) : x;
}

type ExplicitPadding = [[0, 0], [number, number], [number, number], [0, 0]];

/** @returns padding of images around some windows */
export function paddingOf(window: Window, [, height, width]: readonly number[]): ExplicitPadding {
  const rows = windowsAlong(window, 0, height as number);
  const columns = windowsAlong(window, 1, width as number);
  return [
    [0, 0],
    [rows.begin, rows.reach],
    [columns.begin, columns.reach],
    [0, 0],
  ];
}

/** @returns the padding as TensorFlow.js takes it: its kernels are faster without any */
export function padFor(padding: ExplicitPadding): ExplicitPadding | 'valid' {
  return padding.flat().every((pad) => pad === 0) ? 'valid' : padding;
}

function convolve(
  x: Images,
  filter: Filter,
  { window, bias }: { window: Window; bias: tf.Tensor1D | undefined },
): tf.Tensor {
  const strides: [number, number] = [...window.strides];
  if (isDilated(window)) return addBias(convolvePatches(x, filter, window), bias);
  const pad = padFor(paddingOf(window, x.shape));
  if (!bias) return tf.conv2d(x, filter, strides, pad);
  return tf.fused.conv2d({ x, filter, strides, pad, bias, activation: 'linear' }) as tf.Tensor;
}

function isDilated({ dilations, size }: Window): boolean {
  return dilations.some((dilation, axis) => dilation > 1 && (size[axis] as number) > 1);
}

/** TensorFlow.js has no gradients of dilated convolutions: a product of unrolled patches has them. */
function convolvePatches(x: Images, filter: Filter, window: Window): tf.Tensor {
  const patches = tf.concat(tapsOf(x, window, 0), 3);
  const [rows, columns, channelsIn, channelsOut] = filter.shape;
  return tf.conv2d(patches, tf.reshape(filter, [1, 1, rows * columns * channelsIn, channelsOut]), 1, 'valid');
}

/** @returns the pixels of all windows at each position in them, row by row */
export function tapsOf(x: Images, window: Window, outside: number): Images[] {
  const padded = tf.pad(x, paddingOf(window, x.shape), outside) as Images;
  const [batch, height, width, channels] = padded.shape;
  const dense = [height - extentOf(window, 0) + 1, width - extentOf(window, 1) + 1] as const;
  const taps: Images[] = [];
  for (let row = 0; row < window.size[0]; row++) {
    for (let column = 0; column < window.size[1]; column++) {
      const start = [0, row * window.dilations[0], column * window.dilations[1], 0];
      taps.push(everyNth(tf.slice(padded, start, [batch, ...dense, channels]) as Images, window));
    }
  }
  return taps;
}

/** Keeps every n-th pixel. Slices with steps have no gradients in TensorFlow.js, means of one pixel do. */
function everyNth(x: Images, { strides }: Window): Images {
  return strides.every((stride) => stride === 1) ? x : tf.avgPool(x, 1, [...strides], 'valid');
}

function depthwise(x: Images, filter: Filter, window: Window): tf.Tensor {
  const pad = padFor(paddingOf(window, x.shape));
  return tf.depthwiseConv2d(x, dilated(filter, window), [...window.strides], pad);
}

/** @returns the filter with zeros between its rows and columns, in place of a dilation */
function dilated(filter: Filter, window: Window): Filter {
  if (!isDilated(window)) return filter;
  const [rows, columns, ...channels] = filter.shape;
  const [down, across] = window.dilations;
  const flat = tf.reshape(filter, [rows, 1, columns, 1, channels[0] * channels[1]]);
  const spread = tf.pad(flat, [
    [0, 0],
    [0, down - 1],
    [0, 0],
    [0, across - 1],
    [0, 0],
  ]);
  const whole = tf.reshape(spread, [rows * down, columns * across, ...channels]);
  return tf.slice(whole, [0, 0, 0, 0], [extentOf(window, 0), extentOf(window, 1), ...channels]) as Filter;
}

/** The transposed convolution: the gradient of a convolution with respect to its input. */
const convTranspose: Lowering = (inputs, context) => {
  const [x, weight, bias] = inputs as [Value, Value, Value | undefined];
  const { node } = context;
  const groups = numberOf(node, 'group', 1);
  const window = windowOf(node, weight.tensor.shape.slice(2));
  const filter = filterOf(weight, context, {
    key: 'transposed filter',
    compute: (w) => tf.transpose(w, [2, 3, 1, 0]),
  });
  const single: Convolve = (images, kernel, offset) =>
    addBias(convolveBack(images, kernel, { node, window }), offset);
  return record(context, [x, filter, bias], byGroups(groups, single));
};

/** @param filter [rows, columns, channels out, channels in] */
function convolveBack(x: Images, filter: Filter, { node, window }: Transposed): tf.Tensor {
  const [batch, height, width] = x.shape;
  const rows = outputAlong({ node, window }, 0, height);
  const columns = outputAlong({ node, window }, 1, width);
  const shape: [number, number, number, number] = [batch, rows.length, columns.length, filter.shape[2]];
  const pad = padFor([
    [0, 0],
    [rows.begin, rows.end],
    [columns.begin, columns.end],
    [0, 0],
  ]);
  return tf.conv2dTranspose(x, dilated(filter, window), shape, [...window.strides], pad);
}

/** A transposed convolution: its node, and the windows of the convolution. */
interface Transposed {
  readonly node: OnnxNode;
  readonly window: Window;
}

/** @returns the length of a transposed convolution's result along an axis, and what is cut off its ends */
function outputAlong(
  transposed: Transposed,
  axis: 0 | 1,
  length: number,
): { length: number; begin: number; end: number } {
  const { node, window } = transposed;
  const stride = window.strides[axis];
  const extra = alongAxis(transposed, axis, 'output_padding') ?? 0;
  const whole = stride * (length - 1) + extra + extentOf(window, axis);
  const isSame = window.pads === undefined;
  const wanted = alongAxis(transposed, axis, 'output_shape') ?? (isSame ? length * stride : undefined);
  if (wanted === undefined) {
    const [begin, end] = [window.pads?.begin[axis] ?? 0, window.pads?.end[axis] ?? 0];
    return { length: whole - begin - end, begin, end };
  }
  if (wanted > whole)
    throw new Error(`expected a result of at most ${whole} pixels, got output_shape ${wanted}`);
  const isUpper = textOf(node, 'auto_pad', 'NOTSET') === 'SAME_UPPER';
  return { length: wanted, ...splitPads(whole - wanted, !isUpper) };
}

/** @returns an attribute's number for rows or columns; sequences have no rows of their own */
function alongAxis({ node, window }: Transposed, axis: 0 | 1, name: string): number | undefined {
  const list = numbersOf(node, name);
  if (!list) return undefined;
  if (list.length > 1 || axis === 1) return list[list.length > 1 ? axis : 0];
  return name === 'output_shape' ? window.size[0] : 0;
}

/** Convolutions. */
export const CONVOLUTIONS: LoweringTable = { Conv: conv, ConvTranspose: convTranspose };
