import * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type Heap, type KernelCall } from '../backend.js';
import type { ConvGeometry, Span } from '../geometry.js';

type MaxPoolGradCall = KernelCall<'dy' | 'input', tf.MaxPoolGradAttrs>;

/** The gradient of max pooling: each output's gradient goes to the first maximum of its window. */
export function maxPoolGradient({ inputs, backend, attrs }: MaxPoolGradCall): tf.TensorInfo {
  const { dy, input } = inputs;
  const { filterSize, strides, pad, dimRoundingMode } = attrs;
  const shape = input.shape as [number, number, number, number];
  const pool = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const out = allocateFloats(backend, input.shape);
  const values = {
    x: borrowFloats(backend, input),
    dy: borrowFloats(backend, dy),
    dx: borrowFloats(backend, out),
  };
  values.dx.fill(0);
  forEachWindow(pool, (window, outStart) => routeToLargest(pool, { window, outStart }, values));
  return out;
}

/** The part of a window inside the image, in floats from the start of the tensor. */
interface Window {
  readonly start: number;
  readonly rows: number;
  readonly rowFloats: number;
  readonly columnFloats: number;
}

function forEachWindow(pool: ConvGeometry, visit: (window: Window, outStart: number) => void): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth } = pool;
  let outStart = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      const top = row * pool.strideHeight - pool.padInfo.top;
      const rows = clip(top, pool.effectiveFilterHeight, inHeight);
      for (let column = 0; column < outWidth; column++, outStart += inChannels) {
        const left = column * pool.strideWidth - pool.padInfo.left;
        const columns = clip(left, pool.effectiveFilterWidth, inWidth);
        const start = ((image * inHeight + rows.first) * inWidth + columns.first) * inChannels;
        const columnFloats = (columns.end - columns.first) * inChannels;
        visit(
          { start, rows: rows.end - rows.first, rowFloats: inWidth * inChannels, columnFloats },
          outStart,
        );
      }
    }
  }
}

function clip(start: number, length: number, limit: number): Span {
  return { first: Math.max(0, start), end: Math.min(limit, start + length) };
}

function routeToLargest(
  { inChannels }: ConvGeometry,
  { window, outStart }: { window: Window; outStart: number },
  { x, dy, dx }: Record<'x' | 'dy' | 'dx', Heap>,
): void {
  const { start, rows, rowFloats, columnFloats } = window;
  for (let channel = 0; channel < inChannels; channel++) {
    let largest = Number.NEGATIVE_INFINITY;
    let position = -1;
    for (let row = 0; row < rows; row++) {
      const from = start + row * rowFloats + channel;
      for (let at = from; at < from + columnFloats; at += inChannels) {
        const value = x[at]!;
        if (value > largest) {
          largest = value;
          position = at;
        }
      }
    }
    // A window of only NaN or -Infinity has no maximum, and passes no gradient.
    if (position >= 0) dx[position]! += dy[outStart + channel]!;
  }
}
