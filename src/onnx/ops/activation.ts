import * as tf from '@tensorflow/tfjs';
import { numberOf, textOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { unary } from './arithmetic.js';

/** An operator of one tensor and attributes that are numbers. */
const withNumbers =
  <Name extends string>(
    defaults: Readonly<Record<Name, number>>,
    compute: (x: tf.Tensor, numbers: Readonly<Record<Name, number>>) => tf.Tensor,
  ): Operator =>
  ([x], { node }) => {
    const entries = Object.entries<number>(defaults).map(([name, value]) => [
      name,
      numberOf(node, name, value),
    ]);
    return compute(x as tf.Tensor, Object.fromEntries(entries));
  };

/** @returns the parts of a tensor above and below 0; they add up to it */
function halves(x: tf.Tensor): [tf.Tensor, tf.Tensor] {
  return [tf.relu(x), tf.minimum(x, 0)];
}

function elu(x: tf.Tensor, alpha: number): tf.Tensor {
  const [above, below] = halves(x);
  return tf.add(above, tf.mul(tf.sub(tf.exp(below), 1), alpha));
}

const clip: Operator = ([x, low, high], { node, opset }) => {
  const value = x as tf.Tensor;
  const [least, most] =
    opset < 11
      ? [numberOf(node, 'min', Number.NEGATIVE_INFINITY), numberOf(node, 'max', Number.POSITIVE_INFINITY)]
      : [numberIn(low, Number.NEGATIVE_INFINITY), numberIn(high, Number.POSITIVE_INFINITY)];
  if (value.dtype === 'float32') return clipFloats(value, least, most);
  const [bottom, top] = [Math.max(least, -(2 ** 31)), Math.min(most, 2 ** 31 - 1)];
  return tf.minimum(tf.maximum(value, tf.scalar(bottom, 'int32')), tf.scalar(top, 'int32'));
};

function clipFloats(x: tf.Tensor, least: number, most: number): tf.Tensor {
  if (least === 0 && most === 6) return tf.relu6(x);
  if (least === 0 && most === Number.POSITIVE_INFINITY) return tf.relu(x);
  return least > most ? tf.minimum(tf.maximum(x, least), most) : tf.clipByValue(x, least, most);
}

function numberIn(tensor: tf.Tensor | undefined, otherwise: number): number {
  return tensor?.dataSync()[0] ?? otherwise;
}

/** GELU: exact, or by a hyperbolic tangent. Source: D. Hendrycks, K. Gimpel, 2016. */
function gelu(x: tf.Tensor, isByTanh: boolean): tf.Tensor {
  const inner = isByTanh
    ? tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(tf.square(x), x)))))
    : tf.erf(tf.mul(x, Math.SQRT1_2));
  return tf.mul(tf.mul(x, 0.5), tf.add(inner, 1));
}

const prelu: Operator = ([x, slope]) => {
  const [above, below] = halves(x as tf.Tensor);
  return tf.add(above, tf.mul(below, slope as tf.Tensor));
};

function hardSigmoid(x: tf.Tensor, alpha: number, beta: number): tf.Tensor {
  return tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1);
}

/** Activation functions. */
export const ACTIVATIONS: OperatorTable = {
  Celu: withNumbers({ alpha: 1 }, (x, { alpha }) => tf.mul(elu(tf.div(x, alpha), 1), alpha)),
  Clip: clip,
  Dropout: unary((x) => x),
  Elu: withNumbers({ alpha: 1 }, (x, { alpha }) => elu(x, alpha)),
  Gelu: ([x], { node }) => gelu(x as tf.Tensor, textOf(node, 'approximate', 'none') === 'tanh'),
  HardSigmoid: withNumbers({ alpha: 0.2, beta: 0.5 }, (x, { alpha, beta }) => hardSigmoid(x, alpha, beta)),
  HardSwish: unary((x) => tf.mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  LeakyRelu: withNumbers({ alpha: 0.01 }, (x, { alpha }) => tf.leakyRelu(x, alpha)),
  Mish: unary((x) => tf.mul(x, tf.tanh(tf.softplus(x)))),
  PRelu: prelu,
  Relu: unary((x) => tf.relu(x)),
  Selu: withNumbers({ alpha: 1.6732631921768188, gamma: 1.0507010221481323 }, (x, { alpha, gamma }) =>
    tf.mul(elu(x, alpha), gamma),
  ),
  Sigmoid: unary(tf.sigmoid),
  Softplus: unary(tf.softplus),
  Softsign: unary((x) => tf.div(x, tf.add(tf.abs(x), 1))),
  Swish: withNumbers({ alpha: 1 }, (x, { alpha }) =>
    tf.mul(x, tf.sigmoid(alpha === 1 ? x : tf.mul(x, alpha))),
  ),
  ThresholdedRelu: withNumbers({ alpha: 1 }, (x, { alpha }) => tf.mul(x, tf.step(tf.sub(x, alpha)))),
  'com.microsoft:FastGelu': ([x, bias]) => gelu(bias ? tf.add(x as tf.Tensor, bias) : (x as tf.Tensor), true),
  'com.microsoft:BiasGelu': ([x, bias]) => gelu(tf.add(x as tf.Tensor, bias as tf.Tensor), false),
  'com.microsoft:Gelu': unary((x) => gelu(x, false)),
  'com.microsoft:QuickGelu': withNumbers({ alpha: 1.702 }, (x, { alpha }) =>
    tf.mul(x, tf.sigmoid(tf.mul(x, alpha))),
  ),
};
