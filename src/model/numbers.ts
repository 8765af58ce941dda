import { float16Value, floatsOf, isFloat } from './float16.js';
import type { DType, Tensor } from './tensor.js';

/** Number of elements of a lookup table for elements of one byte. */
const BYTES = 2 ** 8;

/**
 * Reads the elements of a tensor as numbers; 64-bit integers beyond 2^53 are rounded.
 *
 * @param tensor the tensor; its bytes need not be aligned in their buffer
 */
export function numbersOf({ dtype, bytes }: Pick<Tensor, 'dtype' | 'bytes'>): ArrayLike<number> {
  if (isFloat(dtype)) return floatsOf({ dtype, bytes });
  if (dtype === 'uint8') return bytes;
  if (dtype === 'float8_e4m3fn' || dtype === 'float8_e5m2') {
    const values = Float32Array.from({ length: BYTES }, (_, bits) => FLOAT8[dtype](bits));
    return Float32Array.from(bytes, (bits) => values[bits] as number);
  }
  const { buffer } = bytes.slice();
  if (dtype === 'int64') return Float64Array.from(new BigInt64Array(buffer), Number);
  if (dtype === 'uint64') return Float64Array.from(new BigUint64Array(buffer), Number);
  return new ARRAYS[dtype as keyof typeof ARRAYS](buffer);
}

/** Typed arrays of the dtypes that JavaScript has. */
const ARRAYS = {
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float64: Float64Array,
} as const satisfies Partial<Record<DType, unknown>>;

/** Values of 8-bit floats, exactly. Source: OCP 8-bit Floating Point Specification, revision 1.0. */
const FLOAT8 = {
  float8_e4m3fn(bits: number): number {
    const sign = bits & 0x80 ? -1 : 1;
    const exponent = (bits >>> 3) & 15;
    const fraction = bits & 7;
    if (exponent === 15 && fraction === 7) return Number.NaN;
    if (exponent === 0) return sign * fraction * 2 ** -9;
    return sign * (8 + fraction) * 2 ** (exponent - 10);
  },
  /** The upper byte of a float16. */
  float8_e5m2: (bits: number): number => float16Value(bits << 8),
} as const;
