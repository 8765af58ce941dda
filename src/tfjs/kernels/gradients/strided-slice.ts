import * as tf from '@tensorflow/tfjs';

type Attributes = Record<'begin' | 'end' | 'strides', number[]> &
  Record<'beginMask' | 'endMask' | 'ellipsisMask' | 'newAxisMask' | 'shrinkAxisMask', number>;

/** The gradient of a slice with steps: elements go back to their places among zeros. */
export const stridedSliceGradient: tf.GradConfig = {
  kernelName: 'StridedSlice',
  inputsToSave: ['x'],
  gradFunc(dy, saved, attrs) {
    const [x] = saved as [tf.Tensor];
    const a = attrs as unknown as Attributes;
    const masks = [a.beginMask, a.endMask, a.ellipsisMask, a.newAxisMask, a.shrinkAxisMask] as const;
    const { begin, end, strides } = tf.slice_util.sliceInfo(x.shape, a.begin, a.end, a.strides, ...masks);
    const counts = tf.slice_util.computeOutShape(begin, end, strides);
    return {
      x: () => {
        const sliced = tf.reshape(dy as tf.Tensor, counts);
        return counts.reduce<tf.Tensor>((spread, _, axis) => {
          const size = x.shape[axis] as number;
          return spreadAxis(spread, {
            axis,
            size,
            first: begin[axis] as number,
            step: strides[axis] as number,
          });
        }, sliced);
      },
    };
  },
};

/** Places of elements along an axis: `first`, `first + step`, … */
interface Places {
  readonly axis: number;
  readonly size: number;
  readonly first: number;
  readonly step: number;
}

function spreadAxis(values: tf.Tensor, { axis, size, first, step }: Places): tf.Tensor {
  const count = values.shape[axis] as number;
  if (count === size && step === 1) return values;
  if (count === 0) return tf.zeros(values.shape.map((each, i) => (i === axis ? size : each)));
  const ascending = step < 0 ? tf.reverse(values, axis) : values;
  const start = step < 0 ? first + (count - 1) * step : first;
  const distance = Math.abs(step);
  const spaced = distance === 1 ? ascending : withGaps(ascending, axis, distance);
  const after = size - start - ((count - 1) * distance + 1);
  return tf.pad(
    spaced,
    values.shape.map((_, i): [number, number] => (i === axis ? [start, after] : [0, 0])),
  );
}

/** Inserts zeros between elements of an axis. */
function withGaps(values: tf.Tensor, axis: number, distance: number): tf.Tensor {
  const { shape } = values;
  const count = shape[axis] as number;
  const outer = tf.util.sizeFromShape(shape.slice(0, axis));
  const inner = tf.util.sizeFromShape(shape.slice(axis + 1));
  const columns = tf.reshape(values, [outer, count, 1, inner]);
  const spaced = tf.pad(columns, [
    [0, 0],
    [0, 0],
    [0, distance - 1],
    [0, 0],
  ]);
  const flat = tf.reshape(spaced, [outer, count * distance, inner]);
  const length = (count - 1) * distance + 1;
  const cut = tf.slice(flat, [0, 0, 0], [outer, length, inner]);
  return tf.reshape(
    cut,
    shape.map((each, i) => (i === axis ? length : each)),
  );
}
