import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, countTo, inputAt, valuesOf, withGradient, withoutGradient } from './arguments.js';

/** Reduces some axes of a tensor. */
type Reduce = (x: tf.Tensor, axes: number[], keepDims: boolean) => tf.Tensor;

function reduction(reduce: Reduce): Operator {
  return (inputs, context) => {
    const x = inputAt(inputs, 0);
    const given = inputs[1] ? valuesOf(inputs[1]) : (numbersOf(context.node, 'axes') ?? []);
    // Nothing is added up, but absolute values, squares and logarithms are taken of each element.
    if (given.length === 0 && numberOf(context.node, 'noop_with_empty_axes', 0))
      return reduceAs(reduce, tf.expandDims(x, 0), [[0], false]);
    const axes = given.length > 0 ? given.map((axis) => axisOf(axis, x.rank)) : countTo(x.rank);
    return reduceAs(reduce, x, [axes, numberOf(context.node, 'keepdims', 1) !== 0]);
  };
}

/** Reduces a tensor of any dtype; the result has the same. */
function reduceAs(reduce: Reduce, x: tf.Tensor, how: [axes: number[], keepDims: boolean]): tf.Tensor {
  if (x.dtype === 'float32') return reduce(x, ...how);
  return withoutGradient(() => tf.cast(reduce(tf.cast(x, 'int32'), ...how), x.dtype));
}

/**
 * The largest or smallest elements. Gradients of equal ones are shared, as ONNX does not say which of them is
 * meant.
 */
function extreme(find: Reduce): Reduce {
  return (x, axes, keepDims) => {
    if (x.dtype !== 'float32') return find(x, axes, keepDims);
    const found = withoutGradient(() => find(x, axes, true));
    const kept = withGradient(
      { inputs: [x], saved: [x, found] },
      () => tf.clone(found),
      (dy, [values, extremes]) => {
        const isFound = tf.cast(tf.equal(values as tf.Tensor, extremes as tf.Tensor), 'float32');
        return [tf.mul(isFound, tf.div(dy, tf.sum(isFound, axes, true)))];
      },
    );
    return keepDims ? kept : tf.squeeze(kept, axes);
  };
}

const logSumExp: Reduce = (x, axes, keepDims) => tf.logSumExp(x, axes, keepDims);
const sum: Reduce = (x, axes, keepDims) => tf.sum(x, axes, keepDims);

/** Finds the place of the largest element along an axis. */
function argument(find: (x: tf.Tensor, axis: number) => tf.Tensor): Operator {
  return (inputs, context) => {
    const x = inputAt(inputs, 0);
    const axis = axisOf(numberOf(context.node, 'axis', 0), x.rank);
    const isLast = numberOf(context.node, 'select_last_index', 0) !== 0;
    const last = tf.scalar((x.shape[axis] as number) - 1, 'int32');
    return withoutGradient(() => {
      const found = isLast ? tf.sub(last, find(tf.reverse(x, axis), axis)) : find(x, axis);
      return numberOf(context.node, 'keepdims', 1) ? tf.expandDims(found, axis) : found;
    });
  };
}

/** Operators that reduce axes. */
export const REDUCTIONS: OperatorTable = {
  ArgMax: argument((x, axis) => tf.argMax(x, axis)),
  ArgMin: argument((x, axis) => tf.argMin(x, axis)),
  ReduceL1: reduction((x, axes, keepDims) => sum(tf.abs(x), axes, keepDims)),
  ReduceL2: reduction((x, axes, keepDims) => tf.sqrt(sum(tf.square(x), axes, keepDims))),
  ReduceLogSum: reduction((x, axes, keepDims) => tf.log(sum(x, axes, keepDims))),
  ReduceLogSumExp: reduction(logSumExp),
  ReduceMax: reduction(extreme((x, axes, keepDims) => tf.max(x, axes, keepDims))),
  ReduceMean: reduction((x, axes, keepDims) => tf.mean(x, axes, keepDims)),
  ReduceMin: reduction(extreme((x, axes, keepDims) => tf.min(x, axes, keepDims))),
  ReduceProd: reduction((x, axes, keepDims) => tf.prod(x, axes, keepDims)),
  ReduceSum: reduction(sum),
  ReduceSumSquare: reduction((x, axes, keepDims) => sum(tf.square(x), axes, keepDims)),
};
