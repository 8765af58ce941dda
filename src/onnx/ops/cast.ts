import * as tf from '@tensorflow/tfjs';
import { numberOf } from '../attributes.js';
import { ELEMENT_TYPES } from '../graph.js';
import type { Operator, OperatorTable } from '../operator.js';
import { dtypeOf, inputAt, withoutGradient } from './arguments.js';

const cast: Operator = (inputs, context) =>
  castTo(inputAt(inputs, 0), dtypeAt(numberOf(context.node, 'to', 0)));

const castLike: Operator = (inputs) =>
  castTo(inputAt(inputs, 0), inputAt(inputs, 1).dtype as ReturnType<typeof dtypeOf>);

/** Gradients do not pass whole numbers and truth values. */
function castTo(x: tf.Tensor, dtype: ReturnType<typeof dtypeOf>): tf.Tensor {
  if (x.dtype === dtype) return x;
  // The wasm backend of TensorFlow.js 4.22 keeps the lowest byte: 0.5 and 256 would be false.
  return withoutGradient(() =>
    dtype === 'bool' ? tf.notEqual(x, tf.zeros([], x.dtype)) : tf.cast(x, dtype),
  );
}

/** @returns the dtype for an element type of ONNX, by its number */
export function dtypeAt(number: number): ReturnType<typeof dtypeOf> {
  const type = ELEMENT_TYPES[number as keyof typeof ELEMENT_TYPES];
  if (type) return dtypeOf(type);
  throw new Error(`expected a type of numbers, got type ${number}`);
}

/** Conversions between types: each element on its own. */
export const CASTS: OperatorTable = { Cast: cast, CastLike: castLike };
