import * as tf from '@tensorflow/tfjs';
import { plainOf } from '../layout.js';
import type { Lowering, LoweringContext, LoweringTable } from '../lowering.js';
import type { Value } from '../recorder.js';
import { withoutGradient } from './arguments.js';
import { CONVOLUTIONS } from './convolution.js';
import { centred, quantizeTo, rangeOf, scalarOr } from './quantised.js';

/** A number for each channel of an image. */
const CHANNELS = [-1, 1, 1];
const FILTERS = [-1, 1, 1, 1];

/** Integers and their zero points. */
interface Integers {
  readonly x: Value;
  readonly zero: Value | undefined;
}

/** Convolves integers, computed in float32: sums are exact up to 2^24. */
function convolve(x: Integers, w: Integers, context: LoweringContext): Value {
  const { recorder } = context;
  const floats = ({ x, zero }: Integers, shape: number[]): Value =>
    recorder.emit([plainOf(recorder, x), zero], ([numbers, point]) =>
      centred(numbers as tf.Tensor, point, shape),
    )[0] as Value;
  const conv = CONVOLUTIONS.Conv as Lowering;
  return plainOf(recorder, conv([floats(x, CHANNELS), floats(w, FILTERS)], context)[0] as Value);
}

const convInteger: Lowering = ([x, w, xZero, wZero], context) => {
  const sums = convolve({ x: x as Value, zero: xZero }, { x: w as Value, zero: wZero }, context);
  return context.recorder.emit([sums], ([y]) => withoutGradient(() => tf.cast(y as tf.Tensor, 'int32')));
};

const quantizedConv: Lowering = (inputs, context) => {
  const [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias] = inputs as Value[];
  const sums = convolve({ x: x as Value, zero: xZero }, { x: w as Value, zero: wZero }, context);
  const range = rangeOf(context, 7);
  return context.recorder.emit([sums, xScale, wScale, yScale, yZero, bias], (tensors) => {
    const [y, a, b, scale, zero, offset] = tensors as tf.Tensor[];
    return withoutGradient(() => {
      const whole = offset ? tf.add(y as tf.Tensor, tf.reshape(tf.cast(offset, 'float32'), CHANNELS)) : y;
      const scales = tf.mul(scalarOr(a as tf.Tensor, []), scalarOr(b as tf.Tensor, CHANNELS));
      const floats = tf.mul(whole as tf.Tensor, scales);
      return quantizeTo(floats, { scale: scale as tf.Tensor, zero, range });
    });
  });
};

/** Convolutions of integers. */
export const QUANTISED_CONVOLUTIONS: LoweringTable = {
  ConvInteger: convInteger,
  QLinearConv: quantizedConv,
};
