/** Three spiral arms: the more a diff may change, the better it follows them. */
export function data({ tf, seed }) {
  const set = (count, setSeed) =>
    tf.tidy(() => {
      const uniform = (last, at) => tf.randomUniform([count], 0, last, 'float32', setSeed + at);
      const which = tf.cast(tf.floor(uniform(3, 0)), 'int32');
      const radius = uniform(1.5, 1);
      const angle = tf.add(tf.mul(which, (2 * Math.PI) / 3), tf.mul(radius, 2.5));
      const xs = tf.stack([tf.mul(radius, tf.cos(angle)), tf.mul(radius, tf.sin(angle))], 1);
      return { xs, ys: tf.cast(tf.oneHot(which, 3), 'float32') };
    });
  return { train: set(384, 10 + seed), validation: set(192, 1000) };
}

export const loss = 'categoricalCrossentropy';
export const metrics = ['accuracy'];
export const options = {
  epochs: 12,
  learningRate: 0.2,
  fineTune: { epochs: 10, learningRate: 0.02 },
  hash: { block: 1 },
};
