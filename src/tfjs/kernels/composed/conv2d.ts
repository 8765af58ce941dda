import type * as tf from '@tensorflow/tfjs';
import {
  allocateFloats,
  borrowFloats,
  type Heap,
  type KernelCall,
  reshaped,
  runKernel,
  type Scratch,
  sizeOf,
  type WasmBackend,
  withScratch,
} from '../backend.js';
import {
  type ConvGeometry,
  convGeometry,
  hasUnitStrides,
  isPointwise,
  reachableOutputs,
  type Span,
  transposedPadding,
} from '../geometry.js';
import { MAX_COLUMN_FLOATS } from './mat-mul.js';

type FilterGradientCall = KernelCall<'x' | 'dy', tf.Conv2DBackpropFilterAttrs>;

/**
 * The gradient of a convolution with respect to its filter, as a matrix product: the input patches (im2col)
 * times the output gradient.
 */
export function conv2dFilterGradient({ inputs, backend, attrs }: FilterGradientCall): tf.TensorInfo {
  const { x, dy } = inputs;
  const conv = convGeometry({ input: x.shape, filter: attrs.filterShape }, attrs);
  if (sizeOf(x.shape) === 0) return zeros(backend, conv.filterShape);
  return isPointwise(conv)
    ? pointwiseFilterGradient(backend, conv, { x, dy })
    : byPatches(backend, conv, { x, dy });
}

function zeros(backend: WasmBackend, shape: readonly number[]): tf.TensorInfo {
  const out = allocateFloats(backend, shape);
  borrowFloats(backend, out).fill(0);
  return out;
}

function pointwiseFilterGradient(
  backend: WasmBackend,
  conv: ConvGeometry,
  { x, dy }: FilterGradientCall['inputs'],
): tf.TensorInfo {
  const pixels = conv.batchSize * conv.outHeight * conv.outWidth;
  const inputs = { a: reshaped(x, [pixels, conv.inChannels]), b: reshaped(dy, [pixels, conv.outChannels]) };
  const product = runKernel(backend, 'BatchMatMul', {
    inputs,
    attrs: { transposeA: true, transposeB: false },
  });
  return { ...product, shape: [...conv.filterShape] };
}

function byPatches(
  backend: WasmBackend,
  conv: ConvGeometry,
  { x, dy }: FilterGradientCall['inputs'],
): tf.TensorInfo {
  const out = zeros(backend, conv.filterShape);
  return withScratch(backend, (scratch) => {
    // The batch becomes the innermost axis, so that patch rows are copied in runs of at least a batch.
    const images = scratch.run('Transpose', { x }, { perm: [3, 1, 2, 0] });
    const gradients = scratch.run('Transpose', { x: dy }, { perm: [1, 2, 0, 3] });
    const rowFloats = sizeOf(conv.filterShape.slice(0, 3)) * conv.outWidth * conv.batchSize;
    const rowsPerChunk = Math.min(conv.outHeight, Math.max(1, Math.floor(MAX_COLUMN_FLOATS / rowFloats)));
    const columns = scratch.allocate([rowFloats * rowsPerChunk]);
    for (let row = 0; row < conv.outHeight; row += rowsPerChunk) {
      const rows = { first: row, end: Math.min(row + rowsPerChunk, conv.outHeight) };
      copyPatches({ conv, rows }, borrowFloats(backend, images), borrowFloats(backend, columns));
      addProduct({ backend, conv, rows }, { columns, gradients, out });
    }
    return out;
  });
}

/** Accumulates some output rows: patches [taps, pixels] times gradients [pixels, outChannels]. */
function addProduct(
  plan: { backend: WasmBackend; conv: ConvGeometry; rows: Span },
  { columns, gradients, out }: Record<'columns' | 'gradients' | 'out', tf.TensorInfo>,
): void {
  const { backend, conv, rows } = plan;
  const rowPixels = conv.outWidth * conv.batchSize;
  const pixels = (rows.end - rows.first) * rowPixels;
  const start = rows.first * rowPixels * conv.outChannels;
  const a = reshaped(columns, [sizeOf(conv.filterShape.slice(0, 3)), pixels]);
  withScratch(backend, (scratch) => {
    const b = scratch.borrowWindow(gradients, start, [pixels, conv.outChannels]);
    const product = scratch.run('BatchMatMul', { a, b }, { transposeA: false, transposeB: false });
    const sum = borrowFloats(backend, out);
    const share = borrowFloats(backend, product);
    for (let i = 0; i < sum.length; i++) sum[i]! += share[i]!;
  });
}

/**
 * Writes one line per tap (filter row, filter column, channel): its input at (output row, output column,
 * image).
 */
function copyPatches({ conv, rows }: { conv: ConvGeometry; rows: Span }, images: Heap, columns: Heap): void {
  const lineFloats = (rows.end - rows.first) * conv.outWidth * conv.batchSize;
  let line = 0;
  for (let tapRow = 0; tapRow < conv.filterHeight; tapRow++) {
    for (let tapColumn = 0; tapColumn < conv.filterWidth; tapColumn++) {
      for (let channel = 0; channel < conv.inChannels; channel++, line += lineFloats) {
        copyLine({ conv, rows, tapRow, tapColumn }, planeOf(conv, images, channel), columns.subarray(line));
      }
    }
  }
}

function planeOf(conv: ConvGeometry, images: Heap, channel: number): Heap {
  const size = conv.inHeight * conv.inWidth * conv.batchSize;
  return images.subarray(channel * size, (channel + 1) * size);
}

function copyLine(
  tap: { conv: ConvGeometry; rows: Span; tapRow: number; tapColumn: number },
  plane: Heap,
  line: Heap,
): void {
  const { conv, rows, tapRow, tapColumn } = tap;
  const { batchSize, inWidth, outWidth, strideHeight, strideWidth } = conv;
  const shift = tapColumn - conv.padInfo.left;
  const span = reachableOutputs({ input: inWidth, output: outWidth, stride: strideWidth, shift });
  for (let row = rows.first; row < rows.end; row++) {
    const at = (row - rows.first) * outWidth * batchSize;
    const inRow = row * strideHeight + tapRow - conv.padInfo.top;
    if (inRow < 0 || inRow >= conv.inHeight) {
      line.fill(0, at, at + outWidth * batchSize);
      continue;
    }
    line.fill(0, at, at + span.first * batchSize);
    line.fill(0, at + span.end * batchSize, at + outWidth * batchSize);
    const start = (inRow * inWidth + shift) * batchSize;
    copyRuns({ batchSize, strideWidth, span }, { plane, start }, { line, start: at });
  }
}

/** Copies the input of one tap for one image row; in both, the batch is innermost. */
function copyRuns(
  run: { batchSize: number; strideWidth: number; span: Span },
  from: { plane: Heap; start: number },
  to: { line: Heap; start: number },
): void {
  const { batchSize, strideWidth, span } = run;
  // With a stride of one, neighbouring outputs have neighbouring inputs: a single run.
  const step = strideWidth === 1 ? span.end - span.first : 1;
  for (let column = span.first; column < span.end; column += step) {
    const source = from.start + column * strideWidth * batchSize;
    to.line.set(from.plane.subarray(source, source + step * batchSize), to.start + column * batchSize);
  }
}

type InputGradientCall = KernelCall<'dy' | 'filter', tf.Conv2DBackpropInputAttrs>;
type Inputs = InputGradientCall['inputs'];

/**
 * The gradient of a convolution with respect to its input: a matrix product for a pointwise filter, a
 * convolution with the reversed filter for a stride of one, and otherwise a product that is scattered back
 * (col2im).
 */
export function conv2dInputGradient({ inputs, backend, attrs }: InputGradientCall): tf.TensorInfo {
  const conv = convGeometry({ input: attrs.inputShape, filter: inputs.filter.shape }, attrs);
  if (isPointwise(conv)) return pointwiseInputGradient(backend, conv, inputs);
  const isPlainConvolution =
    hasUnitStrides(conv) &&
    transposedPadding(conv)
      .flat()
      .every((pad) => pad >= 0);
  return isPlainConvolution ? byReversedFilter(backend, conv, inputs) : byScatter(backend, conv, inputs);
}

function pointwiseInputGradient(
  backend: WasmBackend,
  conv: ConvGeometry,
  { dy, filter }: Inputs,
): tf.TensorInfo {
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

/**
 * Computes the gradients of patches: output gradients [pixels, outChannels] times filter [outChannels, taps].
 */
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

/**
 * Adds the patches [image, output row, output column, filter row, filter column, channel] at their positions.
 */
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

/** Adds one filter row of a row of patches: its taps and their channels are contiguous on both sides. */
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

/** Copies a filter [height, width, a, b] with its rows and its columns in reverse order. */
export function reversedTaps(backend: WasmBackend, scratch: Scratch, filter: tf.TensorInfo): tf.TensorInfo {
  const [height, width, a, b] = filter.shape as [number, number, number, number];
  const reversed = scratch.allocate(filter.shape);
  const from = borrowFloats(backend, filter);
  const to = borrowFloats(backend, reversed);
  const taps = height * width;
  for (let tap = 0; tap < taps; tap++) {
    to.set(from.subarray(tap * a * b, (tap + 1) * a * b), (taps - 1 - tap) * a * b);
  }
  return reversed;
}
