import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { broadcastTo, commonShape, inputAt, withoutGradient } from './arguments.js';

/** An operator that compares two tensors. */
function compared(compare: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Operator {
  return (inputs) => withoutGradient(() => compare(...widened(inputAt(inputs, 0), inputAt(inputs, 1))));
}

/** @returns both tensors with a type that kernels compare */
function widened(a: tf.Tensor, b: tf.Tensor): [tf.Tensor, tf.Tensor] {
  return a.dtype === 'bool' ? [tf.cast(a, 'int32'), tf.cast(b, 'int32')] : [a, b];
}

function combined(combine: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Operator {
  return (inputs) => withoutGradient(() => combine(inputAt(inputs, 0), inputAt(inputs, 1)));
}

const isInfinite: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const [below, above] = [
    numberOf(context.node, 'detect_negative', 1),
    numberOf(context.node, 'detect_positive', 1),
  ];
  return withoutGradient(() => {
    const isOn = (wanted: number, sign: tf.Tensor): tf.Tensor => (wanted ? sign : tf.zeros(x.shape, 'bool'));
    const infinite = tf.isInf(x);
    return tf.logicalOr(
      tf.logicalAnd(infinite, isOn(above, tf.greater(x, 0))),
      tf.logicalAnd(infinite, isOn(below, tf.less(x, 0))),
    );
  });
};

const where: Operator = (inputs) => {
  const [condition, a, b] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
  const shape = commonShape(condition.shape, a.shape, b.shape);
  return choose(broadcastTo(condition, shape), broadcastTo(a, shape), broadcastTo(b, shape));
};

/** @returns elements of `a` where the condition holds, else of `b`; all of one shape */
export function choose(condition: tf.Tensor, a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.dtype !== 'float32') return withoutGradient(() => tf.where(condition, a, b));
  return tf.where(condition, a, b);
}

/** Comparisons, operators of truth values, and the choice by them: each element on its own. */
export const LOGIC: OperatorTable = {
  And: combined(tf.logicalAnd),
  Equal: compared(tf.equal),
  Greater: compared(tf.greater),
  GreaterOrEqual: compared(tf.greaterEqual),
  IsInf: isInfinite,
  IsNaN: (inputs) => withoutGradient(() => tf.isNaN(inputAt(inputs, 0))),
  Less: compared(tf.less),
  LessOrEqual: compared(tf.lessEqual),
  Not: (inputs) => withoutGradient(() => tf.logicalNot(inputAt(inputs, 0))),
  Or: combined(tf.logicalOr),
  Where: where,
  Xor: combined(tf.logicalXor),
};
