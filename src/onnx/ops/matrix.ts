import * as tf from '@tensorflow/tfjs';
import { einsum } from '../../tfjs/einsum.js';
import { numberOf, textOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { broadcastTo, commonShape, countTo } from './arguments.js';

/** alpha · A · B + beta · C, with A and B transposed or not. */
const gemm: Operator = ([a, b, c], { node }) => {
  const flag = (name: string): boolean => numberOf(node, name, 0) !== 0;
  const [alpha, beta] = [numberOf(node, 'alpha', 1), numberOf(node, 'beta', 1)];
  const product = tf.matMul(a as tf.Tensor, b as tf.Tensor, flag('transA'), flag('transB'));
  const scaled = alpha === 1 ? product : tf.mul(product, alpha);
  if (c === undefined || beta === 0) return scaled;
  return tf.add(scaled, beta === 1 ? c : tf.mul(c, beta));
};

/** A product of matrices, with vectors and batches as in NumPy. */
const matMul: Operator = ([a, b]) => product(a as tf.Tensor, b as tf.Tensor);

/** @returns the product of matrices, with vectors and batches as in NumPy */
export function product(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.rank === 1) return tf.squeeze(product(tf.expandDims(a, 0), b), [Math.max(b.rank, 2) - 2]);
  if (b.rank === 1) return tf.squeeze(product(a, tf.expandDims(b, 1)), [a.rank - 1]);
  if (b.rank === 2) return rowsProduct(a, b);
  const shape = commonShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  // The gradient of TensorFlow.js does not sum over what is broadcast.
  const whole = (x: tf.Tensor): tf.Tensor => broadcastTo(x, [...shape, ...x.shape.slice(-2)]);
  return tf.matMul(whole(a), whole(b));
}

/** One product for all matrices of a batch. */
function rowsProduct(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.rank === 2) return tf.matMul(a, b);
  const rows = tf.reshape(a, [-1, a.shape.at(-1) as number]);
  return tf.reshape(tf.matMul(rows, b), [...a.shape.slice(0, -1), b.shape[1] as number]);
}

/** alpha · A · B, with the last two dimensions of A and B transposed or not. */
const fusedMatMul: Operator = ([a, b], { node }) => {
  if (numberOf(node, 'transBatchA', 0) || numberOf(node, 'transBatchB', 0))
    throw new Error('expected no transposed batches');
  const turned = (x: tf.Tensor, name: string): tf.Tensor =>
    numberOf(node, name, 0) ? tf.transpose(x, [...countTo(x.rank - 2), x.rank - 1, x.rank - 2]) : x;
  const whole = product(turned(a as tf.Tensor, 'transA'), turned(b as tf.Tensor, 'transB'));
  const alpha = numberOf(node, 'alpha', 1);
  return alpha === 1 ? whole : tf.mul(whole, alpha);
};

/** Products of matrices. */
export const MATRICES: OperatorTable = {
  Einsum: (inputs, { node }) =>
    einsum(
      textOf(node, 'equation', ''),
      inputs.filter((input) => input !== undefined),
    ),
  Gemm: gemm,
  MatMul: matMul,
  'com.microsoft:FusedMatMul': fusedMatMul,
};
