import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorTable } from '../operator.js';
import { axisOf, inputAt } from './arguments.js';

/** Floats of integers: (x - zero point) · scale, with one scale or one for each index along an axis. */
const dequantise: Operator = (inputs, { node }) => {
  const [x, scale, zero] = [inputAt(inputs, 0), inputAt(inputs, 1), inputs[2]];
  if (numberOf(node, 'block_size', 0) !== 0) throw new Error('expected no blocks, got a block_size');
  const axis = scale.size === 1 ? 0 : axisOf(numberOf(node, 'axis', 1), x.rank);
  const shape = x.shape.map((_, i) => (scale.size > 1 && i === axis ? scale.size : 1));
  const along = (each: tf.Tensor): tf.Tensor => tf.reshape(tf.cast(each, 'float32'), shape);
  const floats = tf.cast(x, 'float32');
  return tf.mul(zero ? tf.sub(floats, along(zero)) : floats, along(scale));
};

/** The operator that makes floats of quantised integers. */
export const DEQUANTISERS: OperatorTable = { DequantizeLinear: dequantise };
