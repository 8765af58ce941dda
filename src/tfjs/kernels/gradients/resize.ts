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

/**
 * Corrects the gradients of resizing with half-pixel centres, which TensorFlow.js 4.22 computes as if centres
 * were whole pixels. Others stay as they are.
 */
export function registerResizeGradients(): void {
  for (const kernelName of ['ResizeBilinear', 'ResizeNearestNeighbor'] as const) {
    const stock = tf.getGradient(kernelName);
    const weigh = kernelName === 'ResizeBilinear' ? bilinear : nearest;
    const gradFunc: tf.GradFunc = (dy, saved, attrs) => {
      const { alignCorners, halfPixelCenters } = attrs as unknown as ResizeAttributes;
      if (!halfPixelCenters || alignCorners) return stock.gradFunc(dy, saved, attrs);
      const [images] = saved as [tf.Tensor4D];
      return { images: () => gradientOf(dy as tf.Tensor4D, images.shape, weigh) };
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
function bilinear({ from, to }: Axis): Float32Array {
  const weights = new Float32Array(from * to);
  for (let i = 0; i < to; i++) {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(place);
    weights[i * from + first] = 1 - (place - first);
    if (place > first) weights[i * from + first + 1] = place - first;
  }
  return weights;
}

function nearest({ from, to }: Axis): Float32Array {
  const weights = new Float32Array(from * to);
  for (let i = 0; i < to; i++) weights[i * from + Math.floor(((i + 0.5) * from) / to)] = 1;
  return weights;
}
