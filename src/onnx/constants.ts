import * as tf from '@tensorflow/tfjs';
import { floatsOf, isFloat } from '../model/float16.js';
import type { Tensor } from '../model/tensor.js';
import type { ElementType, OnnxConstant } from './graph.js';
import { dtypeOf } from './ops/arguments.js';

/** Readers of elements, row-major; integers are clipped to 32 bits. */
const READERS: Readonly<Record<ElementType, (bytes: Uint8Array, dtype: Tensor['dtype']) => tf.TypedArray>> = {
  float32: (bytes, dtype) => floatsOf({ dtype, bytes }),
  float16: (bytes, dtype) => floatsOf({ dtype, bytes }),
  bfloat16: (bytes, dtype) => floatsOf({ dtype, bytes }),
  float64: (bytes) => Float32Array.from(new Float64Array(bytes.slice().buffer)),
  bool: (bytes) => bytes.slice(),
  uint8: (bytes) => Int32Array.from(bytes),
  int8: (bytes) => Int32Array.from(new Int8Array(bytes.slice().buffer)),
  uint16: (bytes) => Int32Array.from(new Uint16Array(bytes.slice().buffer)),
  int16: (bytes) => Int32Array.from(new Int16Array(bytes.slice().buffer)),
  int32: (bytes) => new Int32Array(bytes.slice().buffer),
  uint32: (bytes) => Int32Array.from(new Uint32Array(bytes.slice().buffer), clipped),
  int64: (bytes) => Int32Array.from(wholeNumbers(new BigInt64Array(bytes.slice().buffer)), clipped),
  uint64: (bytes) => Int32Array.from(wholeNumbers(new BigUint64Array(bytes.slice().buffer)), clipped),
};

const [LEAST, MOST] = [-(2 ** 31), 2 ** 31 - 1];

function clipped(value: number): number {
  return Math.min(MOST, Math.max(LEAST, value));
}

function wholeNumbers(values: BigInt64Array | BigUint64Array): Float64Array {
  const numbers = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) numbers[i] = Number(values[i]);
  return numbers;
}

/** @returns the values of a constant as a tensor, given its bytes in the model's store */
export function tensorOf({ type, shape }: OnnxConstant, { bytes, dtype }: Tensor): tf.Tensor {
  return tf.tensor(READERS[type](bytes, dtype), [...shape], dtypeOf(type));
}

/** @returns whether a constant has floats of 16 or 32 bits */
export function hasFloats({ type }: OnnxConstant): boolean {
  return type !== 'float64' && type.includes('float') && isFloat(type as Tensor['dtype']);
}
