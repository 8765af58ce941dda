import * as tf from '@tensorflow/tfjs';

/**
 * The gradient of the largest or smallest element: equal ones share it, as in TensorFlow. In TensorFlow.js
 * 4.22 each of them gets all of it, so that a bias before a global maximum over 16 equal pixels gets 16 times
 * its gradient.
 */
function gradientOfExtreme(kernelName: 'Max' | 'Min'): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['x'],
    outputsToSave: [true],
    gradFunc(dy, saved, attrs) {
      const [x, y] = saved as [tf.Tensor, tf.Tensor];
      const { reductionIndices, axis } = attrs as { reductionIndices?: number[]; axis?: number[] };
      const axes = tf.util.parseAxisParam((reductionIndices ?? axis) as number[], x.shape);
      const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
      return {
        x: () => {
          const hits = tf.cast(tf.equal(x, tf.reshape(y, kept)), 'float32');
          return tf.mul(tf.div(hits, tf.sum(hits, axes, true)), tf.reshape(dy as tf.Tensor, kept));
        },
      };
    },
  };
}

/** Corrected gradients of `max` and `min`. */
export const extremeGradients = [gradientOfExtreme('Max'), gradientOfExtreme('Min')];
