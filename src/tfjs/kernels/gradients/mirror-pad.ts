import * as tf from '@tensorflow/tfjs';

/**
 * The gradient of padding by reflections. That of TensorFlow.js 4.22 leaves out what the reflections
 * contribute.
 */
export const mirrorPadGradient: tf.GradConfig = {
  kernelName: 'MirrorPad',
  inputsToSave: ['x'],
  gradFunc(dy, saved, attrs) {
    const [x] = saved as [tf.Tensor];
    const { paddings, mode } = attrs as unknown as { paddings: [number, number][]; mode: string };
    const skipped = mode === 'reflect' ? 1 : 0;
    return {
      x: () =>
        paddings.reduce((sum, padding, axis) => {
          const fold = { axis, size: x.shape[axis] as number, padding, skipped };
          return padding[0] + padding[1] === 0 ? sum : foldBack(sum, fold);
        }, dy as tf.Tensor),
    };
  },
};

/** Padding of one axis; `skipped` elements at the border are not reflected. */
interface Fold {
  readonly axis: number;
  readonly size: number;
  readonly padding: readonly [number, number];
  readonly skipped: number;
}

/** Adds both borders, reversed, to the elements that they were copied from. */
function foldBack(dy: tf.Tensor, { axis, size, padding, skipped }: Fold): tf.Tensor {
  const [before, after] = padding;
  const take = (first: number, count: number): tf.Tensor => {
    const begin = dy.shape.map((_, i) => (i === axis ? first : 0));
    return tf.slice(
      dy,
      begin,
      dy.shape.map((all, i) => (i === axis ? count : all)),
    );
  };
  const place = (border: tf.Tensor, first: number): tf.Tensor => {
    const count = border.shape[axis] as number;
    const widths = dy.shape.map((_, i): [number, number] =>
      i === axis ? [first, size - first - count] : [0, 0],
    );
    return tf.pad(tf.reverse(border, axis), widths);
  };
  let sum = take(before, size);
  if (before > 0) sum = tf.add(sum, place(take(0, before), skipped));
  if (after > 0) sum = tf.add(sum, place(take(before + size, after), size - skipped - after));
  return sum;
}
