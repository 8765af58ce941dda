import * as tf from '@tensorflow/tfjs';

/**
 * The gradient of repetition: the sum over the repetitions. That of TensorFlow.js 4.22 slices and adds each
 * by itself, thousands of them for the scale of a layer norm, and knows at most four dimensions.
 */
export const tileGradient: tf.GradConfig = {
  kernelName: 'Tile',
  inputsToSave: ['x'],
  gradFunc(dy, saved, attrs) {
    const { shape } = (saved as tf.Tensor[])[0] as tf.Tensor;
    const { reps } = attrs as unknown as { reps: readonly number[] };
    return { x: () => sumRepetitions(dy as tf.Tensor, shape, reps) };
  },
};

function sumRepetitions(repeated: tf.Tensor, shape: readonly number[], reps: readonly number[]): tf.Tensor {
  const sizes = [...repeated.shape];
  let sum = repeated;
  reps.forEach((count, axis) => {
    if (count === 1) return;
    const before = tf.util.sizeFromShape(sizes.slice(0, axis));
    sizes[axis] = shape[axis] as number;
    const rest = tf.util.sizeFromShape(sizes.slice(axis));
    sum = tf.sum(tf.reshape(sum, [before, count, rest]), 1);
  });
  return tf.reshape(sum, [...shape]);
}
