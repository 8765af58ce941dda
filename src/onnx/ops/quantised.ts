import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import type { Operator, OperatorContext, OperatorTable } from '../operator.js';
import { axisOf, inputAt, withoutGradient } from './arguments.js';
import { product } from './matrix.js';

/** Rounds to the nearest whole number, halves to even ones, within the range of the type. */
const quantize: Operator = (inputs, context) => {
  const [x, scale, zero] = [inputAt(inputs, 0), inputAt(inputs, 1), inputs[2]];
  const range = rangeOf(context, 2);
  return withoutGradient(() =>
    quantizeTo(x, {
      scale: alongAxis(scale, x, context),
      zero: zero && alongAxis(zero, x, context),
      range,
    }),
  );
};

/** @returns whole numbers for floats; scales and zero points go with their shape */
export function quantizeTo(
  x: tf.Tensor,
  { scale, zero, range }: { scale: tf.Tensor; zero: tf.Tensor | undefined; range: readonly [number, number] },
): tf.Tensor {
  const steps = tf.round(tf.div(x, scale));
  const shifted = zero ? tf.add(steps, tf.cast(zero, 'float32')) : steps;
  return tf.cast(tf.clipByValue(shifted, ...range), 'int32');
}

/** The ranges of whole numbers of 8 and 16 bits. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
};

/** Numbers of `TensorProto.DataType` that `output_dtype` may be. */
const OUTPUT_TYPES: Readonly<Record<number, string>> = { 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16' };

/** @returns the range of the type of the zero point, an input */
export function rangeOf(context: OperatorContext, index: number): readonly [number, number] {
  const type = context.typeOf(index) ?? OUTPUT_TYPES[numberOf(context.node, 'output_dtype', 2)];
  const range = RANGES[type ?? ''];
  if (range) return range;
  throw new Error(`expected a zero point of 8 or 16 bits, got ${type}`);
}

/** @returns scales or zero points, one or one for each index of an axis, in a shape that goes with `x` */
function alongAxis(numbers: tf.Tensor, x: tf.Tensor, { node }: OperatorContext): tf.Tensor {
  if (numbers.size === 1) return tf.reshape(numbers, []);
  if (numbers.rank !== 1) throw new Error('expected no blocks, got scales of several dimensions');
  const axis = axisOf(numberOf(node, 'axis', 1), x.rank);
  return tf.reshape(
    numbers,
    x.shape.map((_, i) => (i === axis ? numbers.size : 1)),
  );
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
export function centred(x: tf.Tensor, zero: tf.Tensor | undefined, shape: number[]): tf.Tensor {
  return withoutGradient(() => {
    const numbers = tf.cast(x, 'float32');
    return zero
      ? tf.sub(numbers, tf.cast(tf.reshape(zero, zero.size === 1 ? [] : shape), 'float32'))
      : numbers;
  });
}

/** A product of integers, computed in float32: exact up to 2^24. */
const matMulInteger: Operator = (inputs) => {
  const rows = centred(inputAt(inputs, 0), inputs[2], [-1, 1]);
  const columns = centred(inputAt(inputs, 1), inputs[3], [-1]);
  return withoutGradient(() => tf.cast(product(rows, columns), 'int32'));
};

const quantizedMatMul: Operator = (inputs, context) => {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = inputs as tf.Tensor[];
  const rows = centred(inputAt([a], 0), aZero, [-1, 1]);
  const columns = centred(inputAt([b], 0), bZero, [-1]);
  return withoutGradient(() => {
    const scales = tf.mul(scalarOr(aScale as tf.Tensor, [-1, 1]), scalarOr(bScale as tf.Tensor, [-1]));
    const floats = tf.mul(product(rows, columns), scales);
    return quantizeTo(floats, {
      scale: yScale as tf.Tensor,
      zero: yZero as tf.Tensor,
      range: rangeOf(context, 7),
    });
  });
};

/** @returns a scale, or scales in a shape */
export function scalarOr(scale: tf.Tensor, shape: number[]): tf.Tensor {
  return tf.reshape(scale, scale.size === 1 ? [] : shape);
}

/** Operators of quantised models. */
export const QUANTISED: OperatorTable = {
  DynamicQuantizeLinear: quantizeByRange,
  MatMulInteger: matMulInteger,
  QLinearMatMul: quantizedMatMul,
  QuantizeLinear: quantize,
};
