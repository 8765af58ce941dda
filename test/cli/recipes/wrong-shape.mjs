export const data = ({ tf }) => ({ train: { xs: tf.zeros([4, 5]), ys: tf.zeros([4, 3]) } });
export const loss = 'categoricalCrossentropy';
