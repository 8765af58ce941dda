import type { DType, Tensor } from './tensor.js';

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

function bitsOf(value: number): number {
  f32[0] = value;
  return u32[0] as number;
}

function floatOf(bits: number): number {
  u32[0] = bits;
  return f32[0] as number;
}

/**
 * Rounds a float32 to the nearest IEEE 754 binary16, ties to even.
 *
 * @param value a float32; NaN gives the quiet NaN 0x7e00
 * @returns the 16 bits
 */
export function float16Bits(value: number): number {
  const bits = bitsOf(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | subnormalBits(magnitude);
  const tieToEven = 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((magnitude - 0x38000000 + tieToEven) >>> 13);
}

/**
 * Below 2^-14, binary16 values are multiples of 2^-24: shifts the significand down to that step, rounding.
 */
function subnormalBits(magnitude: number): number {
  if (magnitude <= 0x33000000) return 0;
  const shift = 126 - (magnitude >>> 23);
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const lost = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return lost > half || (lost === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** @returns the value of 16 bits of IEEE 754 binary16 as float32, exactly */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * Rounds a float32 to the nearest bfloat16 (the upper half of a float32), ties to even.
 *
 * @param value a float32; NaN gives the quiet NaN 0x7fc0
 * @returns the 16 bits
 */
export function bfloat16Bits(value: number): number {
  const bits = bitsOf(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** @returns the value of 16 bits of bfloat16 as float32, exactly */
export function bfloat16Value(bits: number): number {
  return floatOf(bits << 16);
}

/** Conversions of 16-bit floats to float32 (`widen`, exact) and back (`narrow`, rounded). */
export const HALVES = {
  float16: { widen: float16Value, narrow: float16Bits },
  bfloat16: { widen: bfloat16Value, narrow: bfloat16Bits },
} as const;

/** @returns whether the elements are floats of 16 or 32 bits, which `floatsOf` reads */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype in HALVES;
}

/**
 * Copies the elements of a float tensor as float32, exactly.
 *
 * @param tensor the tensor; its bytes need not be aligned in their buffer
 */
export function floatsOf({ dtype, bytes }: Pick<Tensor, 'dtype' | 'bytes'>): Float32Array {
  const { buffer } = bytes.slice();
  if (dtype === 'float32') return new Float32Array(buffer);
  const { widen } = HALVES[dtype as keyof typeof HALVES];
  // A plain loop: `Float32Array.from` is a hundred times slower per element.
  const bits = new Uint16Array(buffer);
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = widen(bits[i] as number);
  return values;
}
