import type * as tf from '@tensorflow/tfjs';
import { borrowFloats, type Heap, type KernelCall, reshaped, type WasmBackend } from '../backend.js';
import {
  type ConvGeometry,
  depthwiseGeometry,
  hasUnitStrides,
  type Padding,
  reachableOutputs,
  transposedPadding,
} from '../geometry.js';
import { runKernel, type Scratch, withScratch } from '../scratch.js';
import { reversedTaps } from './reversed-taps.js';

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
 * gradient, spread over the strides, with the reversed filter; one channel each for every filter of a channel.
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

/** The output gradient as a stride of one would have it: zeros between its entries and around them. */
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

/** A padded image of the size of the input, into which the gradient of output (0, 0) goes at (top, left). */
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
