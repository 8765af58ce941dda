import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf } from '../attributes.js';
import { alignLayouts, axisOf, permute, plainOf, shapeOf } from '../layout.js';
import type { Lowering, LoweringTable } from '../lowering.js';
import type { Value } from '../recorder.js';

/** The shape of a value, which the shapes of the graph's inputs decide, or part of it. */
const shape: Lowering = ([x], { node, recorder }) => {
  const value = x as Value;
  const { rank } = value.tensor;
  const [start, end] = [numberOf(node, 'start', 0), numberOf(node, 'end', rank)];
  const part = (whole: readonly number[]): tf.Tensor => tf.tensor1d(whole.slice(start, end), 'int32');
  if (!value.isDynamic) return [recorder.known(part(shapeOf(value)))];
  return recorder.emit([plainOf(recorder, value)], ([tensor]) => part((tensor as tf.Tensor).shape));
};

const size: Lowering = ([x], { recorder }) => {
  const value = x as Value;
  if (!value.isDynamic) return [recorder.known(tf.scalar(value.tensor.size, 'int32'))];
  return recorder.emit([value], ([tensor]) => tf.scalar((tensor as tf.Tensor).size, 'int32'), {
    isDynamic: false,
  });
};

/** A transposition; out of channels last it goes in one step, or in none. */
const transpose: Lowering = ([x], { node, recorder }) => {
  const value = x as Value;
  const { rank } = value.tensor;
  const given = numbersOf(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const order = given.map((axis) => axisOf(value, axis));
  if (order.every((axis, i) => axis === i)) return [{ ...value, isLast: false }];
  return [recorder.derive(value, { key: `order ${order}`, compute: (tensor) => permute(tensor, order) })];
};

const concat: Lowering = (inputs, { node, recorder }) => {
  const { values, isLast } = alignLayouts(recorder, inputs);
  const [first] = values;
  const axis = axisOf({ ...(first as Value), isLast }, numberOf(node, 'axis', 0));
  return recorder.emit(values, (tensors) => tf.concat(tensors as tf.Tensor[], axis), { isLast });
};

/** An operator along one axis; before version 13 along all axes from one on, as if they were one. */
const alongAxis =
  (compute: (x: tf.Tensor) => tf.Tensor): Lowering =>
  ([x], { node, opset, recorder }) => {
    const value = x as Value;
    const { rank } = value.tensor;
    const named = numberOf(node, 'axis', opset < 13 ? 1 : -1);
    const isJoined = opset < 13 && (named < 0 ? named + rank : named) < rank - 1;
    if (isJoined)
      return recorder.emit([plainOf(recorder, value)], ([tensor]) =>
        joined(tensor as tf.Tensor, named, compute),
      );
    const axis = axisOf(value, named);
    return recorder.emit([value], ([tensor]) => alongOne(tensor as tf.Tensor, axis, compute), {
      isLast: value.isLast,
    });
  };

function joined(x: tf.Tensor, axis: number, compute: (x: tf.Tensor) => tf.Tensor): tf.Tensor {
  const rows = x.shape.slice(0, axis).reduce((product, each) => product * each, 1);
  return tf.reshape(compute(tf.reshape(x, [rows, -1])), x.shape);
}

function alongOne(x: tf.Tensor, axis: number, compute: (x: tf.Tensor) => tf.Tensor): tf.Tensor {
  if (axis === x.rank - 1) return compute(x);
  const order = Array.from({ length: x.rank }, (_, i) => i);
  [order[axis], order[x.rank - 1]] = [x.rank - 1, axis];
  return permute(compute(permute(x, order)), order);
}

/** Operators whose steps depend on the layout, and those that tell of shapes. */
export const LAYOUTS: LoweringTable = {
  Concat: concat,
  LogSoftmax: alongAxis((x) => tf.logSoftmax(x)),
  Shape: shape,
  Size: size,
  Softmax: alongAxis((x) => tf.softmax(x)),
  Transpose: transpose,
};
