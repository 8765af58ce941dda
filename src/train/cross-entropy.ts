import * as tf from '@tensorflow/tfjs';

/** Its logarithm is taken for that of 0; far below what networks give, or outputs at it would have no gradient. */
const LEAST_PROBABILITY = 1e-30;

/** @returns logarithms of probabilities that may be as small as 1e-30 */
export function logOf(probabilities: tf.Tensor): tf.Tensor {
  return tf.log(tf.clipByValue(probabilities, LEAST_PROBABILITY, 1));
}

/** A loss of labels and outputs, as `compile` keeps it. */
export type LossFunction = tf.LayersModel['lossFunctions'][number];

/**
 * The cross-entropies of TensorFlow.js cut probabilities off at 1e-7. A class that a network has come to rule out, as it does with
 * outputs that are kept for later, then has no gradient and cannot be learnt any more. These go on.
 */
export const CROSS_ENTROPIES: Readonly<Record<string, LossFunction>> = {
  categoricalCrossentropy: (labels, probabilities) =>
    tf.neg(tf.sum(tf.mul(tf.cast(labels, 'float32'), logOf(probabilities)), -1)),
  sparseCategoricalCrossentropy: (labels, probabilities) => {
    const classes = probabilities.shape.at(-1) as number;
    const hot = tf.oneHot(tf.cast(tf.reshape(labels, [-1]), 'int32'), classes);
    return tf.neg(
      tf.sum(tf.mul(tf.reshape(tf.cast(hot, 'float32'), probabilities.shape), logOf(probabilities)), -1),
    );
  },
};
