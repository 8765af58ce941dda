import * as tf from '@tensorflow/tfjs';

/** The gradient of looking up elements or slices: each goes back to its place, equal places are summed. */
export const gatherNdGradient: tf.GradConfig = {
  kernelName: 'GatherNd',
  inputsToSave: ['params', 'indices'],
  gradFunc(dy, saved) {
    const [params, indices] = saved as [tf.Tensor, tf.Tensor];
    return {
      params: () => tf.scatterND(indices, dy as tf.Tensor, params.shape),
      indices: () => tf.zeros(indices.shape),
    };
  },
};

/** The gradient of the largest elements of each row: they go back to their places. */
export const topKGradient: tf.GradConfig = {
  kernelName: 'TopK',
  inputsToSave: ['x'],
  outputsToSave: [false, true],
  gradFunc(dy, saved) {
    const [x, indices] = saved as [tf.Tensor, tf.Tensor];
    const [values] = dy as unknown as [tf.Tensor];
    return {
      x: () => {
        const places = tf.oneHot(tf.cast(indices, 'int32'), x.shape.at(-1) as number);
        return tf.sum(tf.mul(tf.cast(places, 'float32'), tf.expandDims(values, -1)), -2);
      },
    };
  },
};

/** Lets the gradient of `gather` pass for indices that depend on variables, which have none. */
export function registerGatherGradient(): void {
  const stock = tf.getGradient('GatherV2');
  const gradFunc: tf.GradFunc = (dy, saved, attrs) => ({
    ...stock.gradFunc(dy, saved, attrs),
    indices: () => tf.zeros((saved[1] as tf.Tensor).shape),
  });
  tf.unregisterGradient('GatherV2');
  tf.registerGradient({ ...stock, gradFunc });
}
