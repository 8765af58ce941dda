import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, countTo, inputAt, valuesOf, withoutGradient } from './arguments.js';
import { takeElements } from './gather.js';

/** @returns the tensor with an axis and the last one exchanged */
function withAxisLast(x: tf.Tensor, axis: number): tf.Tensor {
  if (axis === x.rank - 1) return x;
  const order = countTo(x.rank);
  [order[axis], order[x.rank - 1]] = [x.rank - 1, axis];
  return tf.transpose(x, order);
}

const topK: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axis = axisOf(numberOf(context.node, 'axis', -1), x.rank);
  const k = inputs[1] ? (valuesOf(inputs[1])[0] as number) : numberOf(context.node, 'k', 1);
  const sign = numberOf(context.node, 'largest', 1) ? tf.clone : tf.neg;
  const indices = withoutGradient(() =>
    withAxisLast(tf.topk(withAxisLast(sign(x), axis), k, true).indices, axis),
  );
  return [takeElements(x, indices, axis), indices];
};

const cumSum: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const axis = axisOf(valuesOf(inputAt(inputs, 1))[0] as number, x.rank);
  const [exclusive, reverse] = [numberOf(context.node, 'exclusive', 0), numberOf(context.node, 'reverse', 0)];
  // The gradient of TensorFlow.js is right for the last axis alone.
  const sums = tf.cumsum(withAxisLast(x, axis), x.rank - 1, exclusive !== 0, reverse !== 0);
  return withAxisLast(sums, axis);
};

const nonZero: Operator = (inputs) => {
  const x = inputAt(inputs, 0);
  const values = x.dataSync();
  const places = countTo(values.length).filter((i) => values[i]);
  const rows = x.shape.map((size, d) => {
    const stride = x.shape.slice(d + 1).reduce((product, each) => product * each, 1);
    return places.map((place) => Math.floor(place / stride) % size);
  });
  return tf.tensor2d(Int32Array.from(rows.flat()), [x.rank, places.length], 'int32');
};

const reverseSequence: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const lengths = valuesOf(inputAt(inputs, 1));
  const [batchAxis, timeAxis] = [
    numberOf(context.node, 'batch_axis', 1),
    numberOf(context.node, 'time_axis', 0),
  ];
  const steps = x.shape[timeAxis] as number;
  const parts = tf.unstack(x, batchAxis).map((part, i) => {
    const length = lengths[i] as number;
    const order = countTo(steps).map((step) => (step < length ? length - 1 - step : step));
    return tf.gather(part, tf.tensor1d(order, 'int32'), timeAxis < batchAxis ? timeAxis : timeAxis - 1);
  });
  return tf.stack(parts, batchAxis);
};

/** Operators that order elements, or add them up in order. */
export const ORDERS: OperatorTable = {
  CumSum: cumSum,
  NonZero: nonZero,
  ReverseSequence: reverseSequence,
  TopK: topK,
};
