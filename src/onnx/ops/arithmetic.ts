import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { broadcastTo, commonShape } from './arguments.js';

/** An operator of one tensor. */
export const unary =
  (compute: (x: tf.Tensor) => tf.Tensor): Operator =>
  ([x]) =>
    compute(x as tf.Tensor);

/** An operator of two tensors, which are broadcast. */
const binary =
  (compute: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Operator =>
  ([a, b]) =>
    compute(a as tf.Tensor, b as tf.Tensor);

/** An operator of any number of tensors. */
const folded =
  (compute: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Operator =>
  (inputs) =>
    (inputs as tf.Tensor[]).reduce((a, b) => compute(a, b));

/** Gradients of TensorFlow.js for the larger and the smaller of two do not sum over what is broadcast. */
const ofEqualShapes =
  (compute: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor) =>
  (a: tf.Tensor, b: tf.Tensor): tf.Tensor => {
    const [left, right] = broadcast([a, b]) as [tf.Tensor, tf.Tensor];
    return compute(left, right);
  };

/** Integers are divided towards 0. */
function divide(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.dtype !== 'int32') return tf.div(a, b);
  const size = tf.floorDiv(tf.abs(a), tf.abs(b));
  return tf.mul(size, tf.mul(tf.sign(a), tf.sign(b)));
}

function power(base: tf.Tensor, exponent: tf.Tensor): tf.Tensor {
  const result = floatPower(tf.cast(base, 'float32'), exponent);
  return base.dtype === 'int32' ? tf.cast(tf.round(result), 'int32') : result;
}

/** Powers that exports of layer norms and GELUs contain are computed without logarithms. */
function floatPower(base: tf.Tensor, exponent: tf.Tensor): tf.Tensor {
  const [single] = exponent.size === 1 && exponent.rank <= base.rank ? exponent.dataSync() : [];
  if (single === 2) return tf.square(base);
  if (single === 3) return tf.mul(tf.square(base), base);
  if (single === 0.5) return tf.sqrt(base);
  return tf.pow(base, tf.cast(exponent, 'float32'));
}

/** The remainder with the divisor's sign, or with `fmod` that of the dividend. */
const remainder: Operator = ([a, b], { node }) => {
  const [dividend, divisor] = [a as tf.Tensor, b as tf.Tensor];
  if (numberOf(node, 'fmod', 0) === 0) return tf.mod(dividend, divisor);
  const size = tf.mod(tf.abs(dividend), tf.abs(divisor));
  return tf.mul(size, tf.sign(dividend));
};

const mean: Operator = (inputs) => tf.div(tf.addN(broadcast(inputs as tf.Tensor[])), inputs.length);

function broadcast(inputs: readonly tf.Tensor[]): tf.Tensor[] {
  const shape = commonShape(...inputs.map((input) => input.shape));
  return inputs.map((input) => broadcastTo(input, shape));
}

/** Arithmetic of each element, with broadcasting. */
export const ARITHMETIC: OperatorTable = {
  Abs: unary(tf.abs),
  Acos: unary(tf.acos),
  Acosh: unary(tf.acosh),
  Add: binary(tf.add),
  Asin: unary(tf.asin),
  Asinh: unary(tf.asinh),
  Atan: unary(tf.atan),
  Atanh: unary(tf.atanh),
  Ceil: unary(tf.ceil),
  Cos: unary(tf.cos),
  Cosh: unary(tf.cosh),
  Div: binary(divide),
  Erf: unary(tf.erf),
  Exp: unary(tf.exp),
  Floor: unary(tf.floor),
  Identity: unary((x) => x),
  Log: unary(tf.log),
  Max: folded(ofEqualShapes(tf.maximum)),
  Mean: mean,
  Min: folded(ofEqualShapes(tf.minimum)),
  Mod: remainder,
  Mul: binary(tf.mul),
  Neg: unary(tf.neg),
  Pow: binary(power),
  Reciprocal: unary((x) => tf.div(1, x)),
  Round: unary(tf.round),
  Sign: unary(tf.sign),
  Sin: unary(tf.sin),
  Sinh: unary(tf.sinh),
  Sqrt: unary(tf.sqrt),
  Sub: binary(tf.sub),
  Sum: folded(tf.add),
  Tan: unary(tf.tan),
  Tanh: unary(tf.tanh),
};
