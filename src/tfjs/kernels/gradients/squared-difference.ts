import * as tf from '@tensorflow/tfjs';

/**
 * The gradient of squared differences. That of TensorFlow.js 4.22 has the wrong shape if an operand is
 * repeated along a dimension, as the mean is in a layer norm.
 */
export const squaredDifferenceGradient: tf.GradConfig = {
  kernelName: 'SquaredDifference',
  inputsToSave: ['a', 'b'],
  gradFunc(dy, saved) {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const slope = () => tf.mul(dy as tf.Tensor, tf.mul(2, tf.sub(a, b)));
    return { a: () => sumTo(slope(), a.shape), b: () => sumTo(tf.neg(slope()), b.shape) };
  },
};

/** Sums over the dimensions along which an operand was repeated. */
function sumTo(values: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.backend_util.getReductionAxes(shape, values.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(values, axes) : values, shape);
}
