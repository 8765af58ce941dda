import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, inputAt, productOf, stridesOf, withoutGradient } from './arguments.js';

const gather: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axis = axisOf(numberOf(context.node, 'axis', 0), x.rank);
  return take(x, fromStart(inputAt(inputs, 1), x.shape[axis] as number), axis);
};

/** Takes slices of a tensor; its gradient sums those of each slice. */
export function take(x: tf.Tensor, indices: tf.Tensor, axis: number): tf.Tensor {
  if (x.dtype !== 'float32') return withoutGradient(() => tf.gather(x, indices, axis));
  return tf.gather(x, indices, axis);
}

/** @returns indices without negative ones, which count from the end */
function fromStart(indices: tf.Tensor, size: number): tf.Tensor {
  return withoutGradient(() => {
    const isNegative = tf.cast(tf.less(indices, 0), 'int32');
    return tf.add(indices, tf.mul(isNegative, tf.scalar(size, 'int32')));
  });
}

/**
 * Takes elements by their index along one axis.
 *
 * @param indices of the rank of `x`
 */
export function takeElements(x: tf.Tensor, indices: tf.Tensor, axis: number): tf.Tensor {
  const flat = take(tf.reshape(x, [-1]), elementPlaces(x.shape, indices, axis), 0);
  return tf.reshape(flat, indices.shape);
}

/** @returns the row-major place of each element that is at an index along one axis */
export function elementPlaces(shape: readonly number[], indices: tf.Tensor, axis: number): tf.Tensor1D {
  const strides = stridesOf(shape);
  const steps = stridesOf(indices.shape);
  const places = new Int32Array(indices.size);
  for (let i = 0; i < places.length; i++) {
    let place = 0;
    for (let d = 0; d < strides.length; d++) {
      const at = Math.floor(i / (steps[d] as number)) % (indices.shape[d] as number);
      if (d !== axis) place += at * (strides[d] as number);
    }
    places[i] = place;
  }
  return withoutGradient(() => {
    const along = tf.mul(
      fromStart(indices, shape[axis] as number),
      tf.scalar(strides[axis] as number, 'int32'),
    );
    return tf.add(tf.reshape(along, [-1]), tf.tensor1d(places, 'int32')) as tf.Tensor1D;
  });
}

const gatherElements: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  return takeElements(x, inputAt(inputs, 1), axisOf(numberOf(context.node, 'axis', 0), x.rank));
};

const gatherNd: Operator = (inputs, context) => {
  const [x, indices] = [inputAt(inputs, 0), inputAt(inputs, 1)];
  const batchDims = numberOf(context.node, 'batch_dims', 0);
  const depth = batchDims + (indices.shape.at(-1) as number);
  const rest = x.shape.slice(depth);
  const rows = tf.reshape(x, [productOf(x.shape.slice(0, depth)), productOf(rest)]);
  const taken = take(rows, rowPlaces(x.shape, indices, batchDims), 0);
  return tf.reshape(taken, [...indices.shape.slice(0, -1), ...rest]);
};

/**
 * @param indices [..., axes]: in the last dimension, indices along the axes after the batch
 * @returns the place of each row that they point to, among all rows of these axes
 */
export function rowPlaces(shape: readonly number[], indices: tf.Tensor, batchDims: number): tf.Tensor1D {
  const depth = indices.shape.at(-1) as number;
  const sizes = shape.slice(batchDims, batchDims + depth);
  const batch = productOf(shape.slice(0, batchDims));
  const count = batch === 0 ? 0 : indices.size / Math.max(1, depth) / batch;
  return withoutGradient(() => {
    const flat = tf.reshape(indices, [-1, depth]);
    const isNegative = tf.cast(tf.less(flat, 0), 'int32');
    const whole = tf.add(flat, tf.mul(isNegative, tf.tensor1d(sizes, 'int32')));
    const places = tf.sum(tf.mul(whole, tf.tensor1d(stridesOf(sizes), 'int32')), 1);
    if (batchDims === 0) return places as tf.Tensor1D;
    const starts = Int32Array.from(
      { length: batch * count },
      (_, i) => Math.floor(i / count) * productOf(sizes),
    );
    return tf.add(places, tf.tensor1d(starts, 'int32')) as tf.Tensor1D;
  });
}

/** Operators that take elements by their indices. */
export const GATHERS: OperatorTable = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
};
