import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorContext, OperatorTable } from '../operator.js';
import { axisOf, inputAt, withGradient, withoutGradient } from './arguments.js';

/** `(x - zero point) * scale`; scales are of one element, one for each index of an axis, or one for each block. */
const dequantize: Operator = (inputs, context) => {
  const [x, scale, zero] = [inputAt(inputs, 0), inputAt(inputs, 1), inputs[2]];
  const numbers = withoutGradient(() => tf.cast(x, 'float32'));
  const centred = zero
    ? tf.sub(numbers, withoutGradient(() => tf.cast(alongAxis(zero, x, context), 'float32')))
    : numbers;
  return tf.mul(centred, alongAxis(scale, x, context));
};

/** Rounds to the nearest whole number, halves to even ones, within the range of the type. */
const quantize: Operator = (inputs, context) => {
  const [x, scale, zero] = [inputAt(inputs, 0), inputAt(inputs, 1), inputs[2]];
  const [least, most] = rangeOf(context);
  return withoutGradient(() => {
    const steps = tf.round(tf.div(x, alongAxis(scale, x, context)));
    const shifted = zero ? tf.add(steps, tf.cast(alongAxis(zero, x, context), 'float32')) : steps;
    return tf.cast(tf.clipByValue(shifted, least, most), 'int32');
  });
};

/** The ranges of whole numbers of 8 and 16 bits. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
};

/** Numbers of `TensorProto.DataType` that `output_dtype` may be. */
const OUTPUT_TYPES: Readonly<Record<number, string>> = { 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16' };

/** @returns the range of the zero point's type */
function rangeOf(context: OperatorContext): readonly [number, number] {
  const type = context.typeOf(2) ?? OUTPUT_TYPES[numberOf(context.node, 'output_dtype', 2)];
  const range = RANGES[type ?? ''];
  if (range) return range;
  throw new Error(`expected a zero point of 8 or 16 bits, got ${type}`);
}

/** @returns scales or zero points in a shape that goes with `x` */
function alongAxis(numbers: tf.Tensor, x: tf.Tensor, { node }: OperatorContext): tf.Tensor {
  if (numbers.size === 1) return tf.reshape(numbers, []);
  const axis = axisOf(numberOf(node, 'axis', 1), x.rank);
  if (numbers.rank === 1)
    return tf.reshape(
      numbers,
      x.shape.map((_, i) => (i === axis ? numbers.size : 1)),
    );
  const size = numberOf(node, 'block_size', 0);
  if (size === 0) throw new Error('expected one scale, one for each index of an axis, or blocks');
  const spread = tf.gather(
    numbers,
    tf.tensor1d(
      Array.from({ length: x.shape[axis] as number }, (_, i) => Math.floor(i / size)),
      'int32',
    ),
    axis,
  );
  return spread;
}

/** Quantises to uint8 by the range of the numbers: gives them, their scale and zero point. */
const quantizeByRange: Operator = (inputs) => {
  const x = inputAt(inputs, 0);
  const least = withoutGradient(() => tf.minimum(tf.min(x), 0));
  const range = withoutGradient(() => tf.sub(tf.maximum(tf.max(x), 0), least));
  // All zeros have any scale.
  const scale = withoutGradient(() => tf.where(tf.equal(range, 0), tf.scalar(1), tf.div(range, 255)));
  const zero = withoutGradient(() => tf.clipByValue(tf.round(tf.neg(tf.div(least, scale))), 0, 255));
  const y = withoutGradient(() =>
    tf.cast(tf.clipByValue(tf.add(tf.round(tf.div(x, scale)), zero), 0, 255), 'int32'),
  );
  return [y, scale, withoutGradient(() => tf.cast(zero, 'int32'))];
};

/** @returns integers as floats, without their zero point */
export function centred(x: tf.Tensor, zero: tf.Tensor | undefined, shape?: number[]): tf.Tensor {
  return withoutGradient(() => {
    const numbers = tf.cast(x, 'float32');
    if (!zero) return numbers;
    const shift = tf.cast(shape && zero.size > 1 ? tf.reshape(zero, shape) : zero, 'float32');
    return tf.sub(numbers, zero.size === 1 ? tf.reshape(shift, []) : shift);
  });
}

/** A product of integers, computed in float32: exact up to 2^24. */
const matMulInteger: Operator = (inputs) => {
  const [a, b] = [inputAt(inputs, 0), inputAt(inputs, 1)];
  const rows = centred(a, inputs[2], [-1, 1]);
  const columns = centred(b, inputs[3]);
  return withoutGradient(() => tf.cast(product(rows, columns), 'int32'));
};

/** Operators of quantised models. */
export const QUANTISED: OperatorTable = {
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: quantizeByRange,
  MatMulInteger: matMulInteger,
  QuantizeLinear: quantize,
};
