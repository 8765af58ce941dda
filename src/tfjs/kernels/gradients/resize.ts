import * as tf from '@tensorflow/tfjs';

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** Sizes of one axis before and after resizing. */
interface Axis {
  readonly from: number;
  readonly to: number;
}

/** How elements after resizing lie among those before. */
interface Places {
  /** @returns the place of an element, between elements before */
  placeOf(index: number, axis: Axis): number;
  /** @returns the nearest element before */
  round(place: number): number;
}

const HALF_PIXELS: Places = { placeOf: (i, { from, to }) => ((i + 0.5) * from) / to - 0.5, round: roundUp };
const WHOLE_PIXELS: Places = { placeOf: (i, { from, to }) => (i * from) / to, round: Math.floor };
const CORNERS: Places = {
  placeOf: (i, { from, to }) => (to > 1 ? (i * (from - 1)) / (to - 1) : 0),
  round: roundUp,
};

/**
 * Corrects the gradients of resizing. Those of TensorFlow.js 4.22 are computed as if centres were whole
 * pixels, and on the cpu backend fail, or are wrong, for images with other heights than widths.
 */
export function registerResizeGradients(): void {
  for (const kernelName of ['ResizeBilinear', 'ResizeNearestNeighbor'] as const) {
    const stock = tf.getGradient(kernelName);
    const weigh = kernelName === 'ResizeBilinear' ? bilinear : nearest;
    const gradFunc: tf.GradFunc = (dy, saved, attrs) => {
      const { alignCorners, halfPixelCenters } = attrs as unknown as ResizeAttributes;
      const places = alignCorners ? CORNERS : halfPixelCenters ? HALF_PIXELS : WHOLE_PIXELS;
      const [images] = saved as [tf.Tensor4D];
      return { images: () => gradientOf(dy as tf.Tensor4D, images.shape, (axis) => weigh(axis, places)) };
    };
    tf.unregisterGradient(kernelName);
    tf.registerGradient({ ...stock, gradFunc });
  }
}

/** Resizing is a matrix product along each axis, so its gradient is one with the transposed matrices. */
function gradientOf(
  dy: tf.Tensor4D,
  [batch, height, width, channels]: readonly [number, number, number, number],
  weigh: (axis: Axis) => Float32Array,
): tf.Tensor {
  const [, rows, columns] = dy.shape;
  const down = tf.tensor2d(weigh({ from: height, to: rows }), [rows, height]);
  const across = tf.tensor2d(weigh({ from: width, to: columns }), [columns, width]);
  const byRow = tf.reshape(tf.transpose(dy, [1, 2, 0, 3]), [rows, -1]);
  const upright = tf.reshape(tf.matMul(down, byRow, true), [height, columns, batch * channels]);
  const byColumn = tf.reshape(tf.transpose(upright, [1, 0, 2]), [columns, -1]);
  const resized = tf.reshape(tf.matMul(across, byColumn, true), [width, height, batch, channels]);
  return tf.transpose(resized, [2, 1, 0, 3]);
}

/** @returns what each element after resizing takes from each before, one row for each after */
function bilinear({ from, to }: Axis, { placeOf }: Places): Float32Array {
  const weights = new Float32Array(from * to);
  for (let i = 0; i < to; i++) {
    const place = Math.min(Math.max(placeOf(i, { from, to }), 0), from - 1);
    const first = Math.floor(place);
    weights[i * from + first] = 1 - (place - first);
    if (place > first) weights[i * from + first + 1] = place - first;
  }
  return weights;
}

function nearest({ from, to }: Axis, { placeOf, round }: Places): Float32Array {
  const weights = new Float32Array(from * to);
  for (let i = 0; i < to; i++)
    weights[i * from + Math.min(Math.max(round(placeOf(i, { from, to })), 0), from - 1)] = 1;
  return weights;
}

function roundUp(place: number): number {
  return Math.floor(place + 0.5);
}
