import type * as tf from '@tensorflow/tfjs';
import {
  allocateFloats,
  borrowFloats,
  type Heap,
  type KernelCall,
  reshaped,
  sizeOf,
  type WasmBackend,
} from '../backend.js';
import { type ConvGeometry, convGeometry, isPointwise, reachableOutputs, type Span } from '../geometry.js';
import { runKernel, withScratch } from '../scratch.js';
import { MAX_COLUMN_FLOATS } from './limits.js';

type FilterGradientCall = KernelCall<'x' | 'dy', tf.Conv2DBackpropFilterAttrs>;

/**
 * The gradient of a convolution with respect to its filter, as a product of matrices: the patches that the
 * filter saw (im2col), times the gradient of what it made of them.
 */
export function conv2dFilterGradient({ inputs, backend, attrs }: FilterGradientCall): tf.TensorInfo {
  const { x, dy } = inputs;
  const conv = convGeometry({ input: x.shape, filter: attrs.filterShape }, attrs);
  if (sizeOf(x.shape) === 0) return zeros(backend, conv.filterShape);
  return isPointwise(conv) ? pointwise(backend, conv, { x, dy }) : byPatches(backend, conv, { x, dy });
}

function zeros(backend: WasmBackend, shape: readonly number[]): tf.TensorInfo {
  const out = allocateFloats(backend, shape);
  borrowFloats(backend, out).fill(0);
  return out;
}

function pointwise(
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
    // The batch is brought innermost so that every patch row is copied in runs of at least a batch.
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

/** Adds the share of some output rows: patches [taps, pixels] times gradients [pixels, outChannels]. */
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

/** Writes one line a tap (filter row, filter column, channel): what it saw at (output row, output column, image). */
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

/** Copies what one tap saw of one image row; both rows hold the batch innermost. */
function copyRuns(
  run: { batchSize: number; strideWidth: number; span: Span },
  from: { plane: Heap; start: number },
  to: { line: Heap; start: number },
): void {
  const { batchSize, strideWidth, span } = run;
  // Neighbouring outputs of a stride of one saw neighbouring pixels: one run.
  const step = strideWidth === 1 ? span.end - span.first : 1;
  for (let column = span.first; column < span.end; column += step) {
    const source = from.start + column * strideWidth * batchSize;
    to.line.set(from.plane.subarray(source, source + step * batchSize), to.start + column * batchSize);
  }
}
