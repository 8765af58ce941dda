import type * as tf from '@tensorflow/tfjs';
import { borrowFloats, type KernelCall, reshaped, type WasmBackend } from './backend.js';
import { type ConvGeometry, depthwiseGeometry, hasUnitStrides, transposedPadding } from './geometry.js';
import { reversedTaps } from './reversed-taps.js';
import { runKernel, type Scratch, withScratch } from './scratch.js';

type InputGradientCall = KernelCall<'dy' | 'filter', tf.DepthwiseConv2dNativeBackpropInputAttrs>;

interface Padded {
  readonly x: tf.TensorInfo;
  readonly pad: [[0, 0], [number, number], [number, number], [0, 0]];
}

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
  const to = borrowFloats(backend, x).fill(0);
  const from = borrowFloats(backend, dy);
  forEachOutput(conv, (image, row, column, start) => {
    const [atRow, atColumn] = [row * conv.strideHeight + top, column * conv.strideWidth + left];
    const isInside = atRow >= 0 && atRow < height && atColumn >= 0 && atColumn < width;
    const target = ((image * height + atRow) * width + atColumn) * conv.outChannels;
    if (isInside) to.set(from.subarray(start, start + conv.outChannels), target);
  });
  return {
    x,
    pad: [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  };
}

function forEachOutput(
  conv: ConvGeometry,
  visit: (image: number, row: number, column: number, start: number) => void,
): void {
  let start = 0;
  for (let image = 0; image < conv.batchSize; image++) {
    for (let row = 0; row < conv.outHeight; row++) {
      for (let column = 0; column < conv.outWidth; column++, start += conv.outChannels) {
        visit(image, row, column, start);
      }
    }
  }
}
