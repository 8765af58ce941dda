/** Points around centres in the plane: the update knows one class more than the base. */
export function data({ tf, seed }) {
  const centres = tf.tensor2d([-1, 0, 1, 0, 0, 1.5], [3, 2]);
  const set = (count, setSeed) => {
    const which = tf.tidy(() =>
      tf.cast(tf.floor(tf.randomUniform([count], 0, 3, 'float32', setSeed)), 'int32'),
    );
    const xs = tf.add(tf.gather(centres, which), tf.randomNormal([count, 2], 0, 0.2, 'float32', setSeed + 1));
    return { xs, ys: tf.cast(tf.oneHot(which, 3), 'float32') };
  };
  return { train: set(192, 10 + seed), validation: set(96, 1000) };
}

export const loss = 'categoricalCrossentropy';
export const metrics = ['accuracy'];
export const optimizer = ({ tf, learningRate }) => tf.train.adam(learningRate);
export const options = {
  epochs: 6,
  batchSize: 32,
  learningRate: 0.1,
  fineTune: { epochs: 4, learningRate: 0.02 },
};
