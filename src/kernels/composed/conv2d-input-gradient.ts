import type * as tf from '@tensorflow/tfjs';
import {
  allocateFloats,
  borrowFloats,
  type Heap,
  type KernelCall,
  reshaped,
  type WasmBackend,
} from '../backend.js';
import {
  type ConvGeometry,
  convGeometry,
  hasUnitStrides,
  isPointwise,
  type Span,
  transposedPadding,
} from '../geometry.js';
import { runKernel, type Scratch, withScratch } from '../scratch.js';
import { MAX_COLUMN_FLOATS } from './limits.js';
import { reversedTaps } from './reversed-taps.js';

type InputGradientCall = KernelCall<'dy' | 'filter', tf.Conv2DBackpropInputAttrs>;
type Inputs = InputGradientCall['inputs'];

/**
 * The gradient of a convolution with respect to its input: a product of matrices for a pointwise filter,
 * a convolution with the reversed filter for a stride of one, and else a product scattered back (col2im).
 */
export function conv2dInputGradient({ inputs, backend, attrs }: InputGradientCall): tf.TensorInfo {
  const conv = convGeometry({ input: attrs.inputShape, filter: inputs.filter.shape }, attrs);
  if (isPointwise(conv)) return pointwise(backend, conv, inputs);
  const isPlainConvolution =
    hasUnitStrides(conv) &&
    transposedPadding(conv)
      .flat()
      .every((pad) => pad >= 0);
  return isPlainConvolution ? byReversedFilter(backend, conv, inputs) : byScatter(backend, conv, inputs);
}

function pointwise(backend: WasmBackend, conv: ConvGeometry, { dy, filter }: Inputs): tf.TensorInfo {
  const pixels = conv.batchSize * conv.outHeight * conv.outWidth;
  const a = reshaped(dy, [pixels, conv.outChannels]);
  const b = reshaped(filter, [conv.inChannels, conv.outChannels]);
  const attrs = { transposeA: false, transposeB: true };
  return { ...runKernel(backend, 'BatchMatMul', { inputs: { a, b }, attrs }), shape: [...conv.inShape] };
}

function byReversedFilter(backend: WasmBackend, conv: ConvGeometry, { dy, filter }: Inputs): tf.TensorInfo {
  return withScratch(backend, (scratch) => {
    const swapped = scratch.run('Transpose', { x: filter }, { perm: [0, 1, 3, 2] });
    const reversed = reversedTaps(backend, scratch, swapped);
    const attrs = { strides: [1, 1], dilations: [1, 1], pad: transposedPadding(conv), dataFormat: 'NHWC' };
    return runKernel(backend, 'Conv2D', { inputs: { x: dy, filter: reversed }, attrs });
  });
}

function byScatter(backend: WasmBackend, conv: ConvGeometry, { dy, filter }: Inputs): tf.TensorInfo {
  const { batchSize, inChannels, outChannels, filterHeight, filterWidth } = conv;
  const taps = filterHeight * filterWidth * inChannels;
  const pixels = conv.outHeight * conv.outWidth;
  const out = allocateFloats(backend, conv.inShape);
  borrowFloats(backend, out).fill(0);
  return withScratch(backend, (scratch) => {
    const flat = reshaped(filter, [taps, outChannels]);
    const swapped = scratch.run('Transpose', { x: flat }, { perm: [1, 0] });
    const transposed = scratch.borrowWindow(swapped, 0, [outChannels, taps]);
    const chunk = Math.min(batchSize, Math.max(1, Math.floor(MAX_COLUMN_FLOATS / (pixels * taps))));
    for (let image = 0; image < batchSize; image += chunk) {
      const images = { first: image, end: Math.min(image + chunk, batchSize) };
      withScratch(backend, (round) => {
        const patches = patchGradients({ scratch: round, conv, images }, dy, transposed);
        addPatches({ conv, images }, borrowFloats(backend, patches), borrowFloats(backend, out));
      });
    }
    return out;
  });
}

/** What every patch of some images is told: gradients [pixels, outChannels] times filter [outChannels, taps]. */
function patchGradients(
  { scratch, conv, images }: { scratch: Scratch; conv: ConvGeometry; images: Span },
  dy: tf.TensorInfo,
  transposedFilter: tf.TensorInfo,
): tf.TensorInfo {
  const imagePixels = conv.outHeight * conv.outWidth;
  const shape = [(images.end - images.first) * imagePixels, conv.outChannels];
  const a = scratch.borrowWindow(dy, images.first * imagePixels * conv.outChannels, shape);
  const attrs = { transposeA: false, transposeB: false };
  return scratch.run('BatchMatMul', { a, b: transposedFilter }, attrs);
}

/** Adds the patches [image, output row, output column, filter row, filter column, channel] where they were cut. */
function addPatches({ conv, images }: { conv: ConvGeometry; images: Span }, patches: Heap, out: Heap): void {
  const { filterHeight, filterWidth, inChannels, inHeight, strideHeight, padInfo } = conv;
  const lineFloats = filterWidth * inChannels;
  const pixelFloats = filterHeight * lineFloats;
  let patchRow = 0;
  for (let image = images.first; image < images.end; image++) {
    for (let row = 0; row < conv.outHeight; row++, patchRow += conv.outWidth * pixelFloats) {
      for (let tapRow = 0; tapRow < filterHeight; tapRow++) {
        const inRow = row * strideHeight + tapRow - padInfo.top;
        if (inRow < 0 || inRow >= inHeight) continue;
        addLines(
          conv,
          { from: patches, at: patchRow + tapRow * lineFloats },
          { to: out, row: image * inHeight + inRow },
        );
      }
    }
  }
}

/** Adds one filter row of a row of patches: its taps and their channels lie together on both sides. */
function addLines(
  conv: ConvGeometry,
  { from, at }: { from: Heap; at: number },
  { to, row }: { to: Heap; row: number },
): void {
  const { filterHeight, filterWidth, inChannels, inWidth, outWidth, strideWidth, padInfo } = conv;
  const pixelFloats = filterHeight * filterWidth * inChannels;
  for (let column = 0; column < outWidth; column++) {
    const left = column * strideWidth - padInfo.left;
    const firstTap = Math.max(0, -left);
    const endTap = Math.min(filterWidth, inWidth - left);
    const source = at + column * pixelFloats;
    const target = (row * inWidth + left) * inChannels;
    for (let i = firstTap * inChannels; i < endTap * inChannels; i++) to[target + i]! += from[source + i]!;
  }
}
