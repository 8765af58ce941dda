import * as tf from '@tensorflow/tfjs';
import { numberOf, numbersOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, checkedShape, countTo, inputAt, productOf, valuesOf, withoutGradient } from './arguments.js';
import { dtypeAt } from './cast.js';
import { choose } from './logic.js';

/** Constants that are numbers in attributes; those that are tensors are no operators. */
const constant: Operator = (_, context) => {
  const { attributes } = context.node;
  for (const [name, dtype] of [['int', 'int32'] as const, ['float', 'float32'] as const]) {
    if (attributes.has(`value_${name}`)) return tf.scalar(numberOf(context.node, `value_${name}`, 0), dtype);
    const list = numbersOf(context.node, `value_${name}s`);
    if (list) return tf.tensor1d([...list], dtype);
  }
  throw new Error('expected numbers as its value');
};

const constantOfShape: Operator = (inputs, context) => {
  const shape = checkedShape(valuesOf(inputAt(inputs, 0)));
  const value = context.constant('value');
  if (!value) return tf.zeros(shape);
  return tf.fill(shape, value.dataSync()[0] as number, value.dtype as 'float32');
};

const range: Operator = (inputs) => {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((i) => valuesOf(inputAt(inputs, i))[0]);
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const [size = 0] = checkedShape([count]);
  const values = countTo(size).map((i) => start + i * delta);
  return tf.tensor1d(values, inputAt(inputs, 0).dtype as 'float32');
};

const eyeLike: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const [rows = 0, columns = 0] = x.shape;
  const number = context.node.attributes.get('dtype');
  const dtype = typeof number === 'number' ? dtypeAt(number) : x.dtype;
  const shift = numberOf(context.node, 'k', 0);
  const values = countTo(productOf(checkedShape([rows, columns]))).map((i) => {
    return Number((i % columns) - Math.floor(i / columns) === shift);
  });
  return tf.tensor2d(values, [rows, columns], dtype as 'float32');
};

const oneHot: Operator = (inputs, context) => {
  const [indices, values] = [inputAt(inputs, 0), inputAt(inputs, 2)];
  const depth = valuesOf(inputAt(inputs, 1))[0] as number;
  const axis = axisOf(numberOf(context.node, 'axis', -1), indices.rank + 1);
  checkedShape([indices.size, depth]);
  const isHot = withoutGradient(() => {
    const whole = tf.cast(indices, 'int32');
    const fromStart = tf.add(whole, tf.mul(tf.cast(tf.less(whole, 0), 'int32'), tf.scalar(depth, 'int32')));
    const shape = countTo(indices.rank + 1).map((i) => (i === axis ? depth : 1));
    return tf.equal(tf.expandDims(fromStart, axis), tf.reshape(tf.range(0, depth, 1, 'int32'), shape));
  });
  const [off, on] = tf.split(values, 2) as [tf.Tensor, tf.Tensor];
  return withoutGradient(() => {
    const [cold, hot] = [off, on].map((value) => tf.broadcastTo(value, isHot.shape)) as [
      tf.Tensor,
      tf.Tensor,
    ];
    return tf.where(isHot, hot, cold);
  });
};

/** Keeps the upper or the lower triangle of matrices. */
const triangle: Operator = (inputs, context) => {
  const x = inputAt(inputs, 0);
  const shift = inputs[1] ? (valuesOf(inputs[1])[0] as number) : 0;
  const isUpper = numberOf(context.node, 'upper', 1) !== 0;
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  const isKept = Uint8Array.from({ length: rows * columns }, (_, i) => {
    const diagonal = (i % columns) - Math.floor(i / columns) - shift;
    return Number(isUpper ? diagonal >= 0 : diagonal <= 0);
  });
  const mask = withoutGradient(() => {
    const one = tf.tensor(isKept, [1, rows, columns], 'bool');
    return tf.reshape(tf.tile(one, [productOf(x.shape.slice(0, -2)), 1, 1]), x.shape);
  });
  return choose(mask, x, tf.zerosLike(x));
};

/** Operators that make tensors from sizes and numbers. */
export const GENERATORS: OperatorTable = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  EyeLike: eyeLike,
  OneHot: oneHot,
  Range: range,
  Trilu: triangle,
};
