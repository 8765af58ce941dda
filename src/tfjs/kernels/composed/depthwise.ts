import type * as tf from '@tensorflow/tfjs';
import {
  allocateFloats,
  borrowFloats,
  type Heap,
  type KernelCall,
  reshaped,
  runKernel,
  type Scratch,
  type WasmBackend,
  withScratch,
} from '../backend.js';
import {
  type ConvGeometry,
  depthwiseGeometry,
  hasUnitStrides,
  type Padding,
  reachableOutputs,
  type Span,
  transposedPadding,
} from '../geometry.js';
import { reversedTaps } from './conv2d.js';

type FilterGradientCall = KernelCall<'x' | 'dy', tf.DepthwiseConv2dNativeBackpropFilterAttrs>;

/**
 * The gradient of a depthwise convolution with respect to its filter: for every tap, the sum over its inputs
 * times the output gradient.
 */
export function depthwiseFilterGradient({ inputs, backend, attrs }: FilterGradientCall): tf.TensorInfo {
  const { x, dy } = inputs;
  const conv = depthwiseGeometry({ input: x.shape, filter: attrs.filterShape }, attrs);
  const out = allocateFloats(backend, attrs.filterShape);
  const sums = new Float64Array(conv.filterHeight * conv.filterWidth * conv.outChannels);
  addTaps(conv, { x: borrowFloats(backend, x), dy: borrowFloats(backend, dy) }, sums);
  borrowFloats(backend, out).set(sums);
  return out;
}

interface Values {
  readonly x: Heap;
  readonly dy: Heap;
}

/** Images are the outer loop, so that one image stays in the cache for all taps. */
function addTaps(conv: ConvGeometry, values: Values, sums: Float64Array): void {
  const { filterHeight, filterWidth, outChannels } = conv;
  for (let image = 0; image < conv.batchSize; image++) {
    for (let tapRow = 0; tapRow < filterHeight; tapRow++) {
      for (let tapColumn = 0; tapColumn < filterWidth; tapColumn++) {
        const tap = tapOf(conv, { image, tapRow, tapColumn });
        const first = (tapRow * filterWidth + tapColumn) * outChannels;
        const tapValues = { ...values, sums: sums.subarray(first, first + outChannels) };
        for (let channel = 0; channel < outChannels; channel += 4) addFourChannels(tap, tapValues, channel);
      }
    }
  }
}

/** The input range of one tap in one image, in floats: its start and the strides of rows and columns. */
interface Tap {
  readonly rows: number;
  readonly rowFloats: number;
  readonly columnFloats: number;
  readonly start: number;
  readonly outRowFloats: number;
  readonly outColumnFloats: number;
  readonly outStart: number;
  readonly outSpanFloats: number;
  readonly multiplier: number;
}

function tapOf(conv: ConvGeometry, at: { image: number; tapRow: number; tapColumn: number }): Tap {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, strideHeight, strideWidth } = conv;
  const down = at.tapRow * conv.dilationHeight - conv.padInfo.top;
  const across = at.tapColumn * conv.dilationWidth - conv.padInfo.left;
  const rows = reachableOutputs({ input: inHeight, output: outHeight, stride: strideHeight, shift: down });
  const columns = reachableOutputs({ input: inWidth, output: outWidth, stride: strideWidth, shift: across });
  const inRow = at.image * inHeight + rows.first * strideHeight + down;
  const outRow = at.image * outHeight + rows.first;
  return {
    rows: lengthOf(rows),
    rowFloats: strideHeight * inWidth * inChannels,
    columnFloats: strideWidth * inChannels,
    start: (inRow * inWidth + columns.first * strideWidth + across) * inChannels,
    outRowFloats: outWidth * outChannels,
    outColumnFloats: outChannels,
    outStart: (outRow * outWidth + columns.first) * outChannels,
    outSpanFloats: lengthOf(columns) * outChannels,
    multiplier: outChannels / inChannels,
  };
}

function lengthOf(span: Span): number {
  return span.end - span.first;
}

/**
 * Keeps four sums at a time in registers. Lanes beyond the last channel repeat it: they compute and store the
 * same result redundantly.
 */
function addFourChannels(tap: Tap, { x, dy, sums }: Values & { sums: Float64Array }, channel: number): void {
  const last = sums.length - 1;
  const [d0, d1] = [channel, Math.min(channel + 1, last)];
  const [d2, d3] = [Math.min(channel + 2, last), Math.min(channel + 3, last)];
  const { multiplier, columnFloats, outColumnFloats } = tap;
  const [c0, c1] = [Math.floor(d0 / multiplier), Math.floor(d1 / multiplier)];
  const [c2, c3] = [Math.floor(d2 / multiplier), Math.floor(d3 / multiplier)];
  let [s0, s1, s2, s3] = [sums[d0]!, sums[d1]!, sums[d2]!, sums[d3]!];
  for (let row = 0; row < tap.rows; row++) {
    let at = tap.start + row * tap.rowFloats;
    let out = tap.outStart + row * tap.outRowFloats;
    const end = out + tap.outSpanFloats;
    for (; out < end; out += outColumnFloats, at += columnFloats) {
      s0 += x[at + c0]! * dy[out + d0]!;
      s1 += x[at + c1]! * dy[out + d1]!;
      s2 += x[at + c2]! * dy[out + d2]!;
      s3 += x[at + c3]! * dy[out + d3]!;
    }
  }
  sums[d0] = s0;
  sums[d1] = s1;
  sums[d2] = s2;
  sums[d3] = s3;
}

type InputGradientCall = KernelCall<'dy' | 'filter', tf.DepthwiseConv2dNativeBackpropInputAttrs>;

interface Padded {
  readonly x: tf.TensorInfo;
  readonly pad: Padding;
}

const UNPADDED: Padding = [
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
];

/**
 * The gradient of a depthwise convolution with respect to its input: a depthwise convolution of the output
 * gradient, spread over the strides, with the reversed filter; one channel for each filter of a channel.
 */
export function depthwiseInputGradient({ inputs, backend, attrs }: InputGradientCall): tf.TensorInfo {
  const { dy, filter } = inputs;
  const conv = depthwiseGeometry({ input: attrs.inputShape, filter: filter.shape }, attrs);
  const { batchSize, inHeight, inWidth, inChannels, outChannels } = conv;
  const flat = reshaped(filter, [conv.filterHeight, conv.filterWidth, outChannels, 1]);
  return withScratch(backend, (scratch) => {
    const { x, pad } = spreadGradient(backend, scratch, { conv, dy });
    const dilations = [conv.dilationHeight, conv.dilationWidth];
    const call = {
      inputs: { x, filter: reversedTaps(backend, scratch, flat) },
      attrs: { strides: [1, 1], dilations, pad },
    };
    const channels = runKernel(backend, 'DepthwiseConv2dNative', call);
    if (outChannels === inChannels) return channels;
    const grouped = [batchSize, inHeight, inWidth, inChannels, outChannels / inChannels];
    const summands = reshaped(scratch.keep(channels), grouped);
    return runKernel(backend, 'Sum', { inputs: { x: summands }, attrs: { axis: [4], keepDims: false } });
  });
}

/** Dilates the output gradient to a stride of one: zeros between its entries and around them. */
function spreadGradient(
  backend: WasmBackend,
  scratch: Scratch,
  { conv, dy }: { conv: ConvGeometry; dy: tf.TensorInfo },
): Padded {
  const pad = transposedPadding(conv);
  const [, [top], [left]] = pad;
  if (hasUnitStrides(conv) && pad.flat().every((size) => size >= 0)) return { x: dy, pad };
  const height = conv.inHeight + conv.effectiveFilterHeight - 1;
  const width = conv.inWidth + conv.effectiveFilterWidth - 1;
  const x = scratch.allocate([conv.batchSize, height, width, conv.outChannels]);
  const grid = { top, left, height, width, values: borrowFloats(backend, x).fill(0) };
  spread(conv, borrowFloats(backend, dy), grid);
  return { x, pad: UNPADDED };
}

/** A padded image with the size of the input; the gradient of output (0, 0) is at (top, left). */
interface Grid {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  readonly values: Heap;
}

function spread(conv: ConvGeometry, from: Heap, { top, left, height, width, values }: Grid): void {
  const { outHeight, outWidth, outChannels, strideHeight, strideWidth } = conv;
  const rows = reachableOutputs({ input: height, output: outHeight, stride: strideHeight, shift: top });
  const columns = reachableOutputs({ input: width, output: outWidth, stride: strideWidth, shift: left });
  for (let image = 0; image < conv.batchSize; image++) {
    for (let row = rows.first; row < rows.end; row++) {
      const source = (image * outHeight + row) * outWidth;
      const target = (image * height + row * strideHeight + top) * width + left;
      for (let column = columns.first; column < columns.end; column++) {
        const at = (source + column) * outChannels;
        values.set(from.subarray(at, at + outChannels), (target + column * strideWidth) * outChannels);
      }
    }
  }
}
