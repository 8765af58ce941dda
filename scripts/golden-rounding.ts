import type { Model, Tensor } from '../src/model/tensor.js';
import type { HashOp, Op } from '../src/payload/diff.js';
import { placeBlock, tensorSeed } from '../src/payload/placement.js';
import { type Accepted, float32, floats, hash, sparse } from './golden-samples.js';

/** A weight's bits, what is added (level times scale), and the bits that must result, reckoned by hand. */
export interface RoundingCase {
  readonly why: string;
  readonly bits: number;
  readonly level: number;
  readonly scale: number;
  readonly result: number;
}

type RoundedDType = 'float32' | 'float16' | 'bfloat16';

/** Every way in which a sum may be rounded wrongly. */
export const ROUNDING: Readonly<Record<RoundedDType, readonly RoundingCase[]>> = {
  float32: [
    { why: 'a tie goes to even, down', bits: 0x3f800000, level: 1, scale: 2 ** -24, result: 0x3f800000 },
    { why: 'a tie goes to even, up', bits: 0x3f800001, level: 1, scale: 2 ** -24, result: 0x3f800002 },
    { why: 'a subnormal is kept', bits: 0x00800000, level: -1, scale: 2 ** -127, result: 0x00400000 },
    { why: 'the largest number overflows', bits: 0x7f7fffff, level: 128, scale: 2 ** 96, result: 0x7f800000 },
    { why: 'the least number overflows', bits: 0xff7fffff, level: -128, scale: 2 ** 96, result: 0xff800000 },
    { why: 'x - x is +0', bits: 0xbf800000, level: 1, scale: 1, result: 0x00000000 },
    { why: 'a NaN loses its payload', bits: 0xffc12345, level: 1, scale: 1, result: 0x7fc00000 },
    { why: 'infinity stays', bits: 0xff800000, level: 1, scale: 1, result: 0xff800000 },
  ],
  float16: [
    { why: 'a tie goes to even, down', bits: 0x3c00, level: 1, scale: 2 ** -11, result: 0x3c00 },
    { why: 'a tie goes to even, up', bits: 0x3c01, level: 1, scale: 2 ** -11, result: 0x3c02 },
    { why: 'binary32 comes first', bits: 0x3c00, level: 16_385, scale: 2 ** -25, result: 0x3c00 },
    { why: 'beyond a tie goes up', bits: 0x3c00, level: 513, scale: 2 ** -20, result: 0x3c01 },
    { why: 'a subnormal tie goes to even', bits: 0x0001, level: 1, scale: 2 ** -25, result: 0x0002 },
    { why: 'a subnormal becomes normal', bits: 0x03ff, level: 1, scale: 2 ** -24, result: 0x0400 },
    { why: 'a normal becomes subnormal', bits: 0x8400, level: 1, scale: 2 ** -24, result: 0x83ff },
    { why: 'the largest number stays below a tie', bits: 0x7bff, level: 1, scale: 15, result: 0x7bff },
    { why: 'the largest number overflows at a tie', bits: 0x7bff, level: 1, scale: 16, result: 0x7c00 },
    { why: 'the least number overflows', bits: 0xfbff, level: -1, scale: 16, result: 0xfc00 },
    { why: 'a NaN loses its payload', bits: 0xfd01, level: 1, scale: 1, result: 0x7e00 },
  ],
  bfloat16: [
    { why: 'a tie goes to even, down', bits: 0x3f80, level: 1, scale: 2 ** -8, result: 0x3f80 },
    { why: 'a tie goes to even, up', bits: 0x3f81, level: 1, scale: 2 ** -8, result: 0x3f82 },
    // The level times 185 is 2^18 + 1.
    { why: 'binary32 comes first', bits: 0x3f80, level: 1_417, scale: 185 * 2 ** -26, result: 0x3f80 },
    { why: 'a subnormal is kept', bits: 0x0080, level: -1, scale: 2 ** -127, result: 0x0040 },
    {
      why: 'the largest number stays far below a tie',
      bits: 0x7f7f,
      level: 128,
      scale: 2 ** 96,
      result: 0x7f7f,
    },
    { why: 'a NaN loses its payload', bits: 0xff81, level: 1, scale: 1, result: 0x7fc0 },
  ],
};

/** A product of bucket and scale that is rounded before it is added; levels times scales are always exact. */
export const ROUNDED_PRODUCT = { bits: 0xc0400000, bucket: 1 + 2 ** -23, scale: 3, result: 0x35000000 };

function tensorOf(dtype: RoundedDType): Tensor {
  const bits = ROUNDING[dtype].map((each) => each.bits);
  const array = dtype === 'float32' ? Uint32Array.from(bits) : Uint16Array.from(bits);
  return { name: dtype, dtype, shape: [bits.length], bytes: new Uint8Array(array.buffer) };
}

/** One sparse op a case: each has a scale of its own. */
function opsOf(dtype: RoundedDType): Op[] {
  return ROUNDING[dtype].map(({ level, scale }, position) => sparse(dtype, [[position, level]], scale));
}

const dtypes = Object.keys(ROUNDING) as RoundedDType[];
const base: Model = {
  tensors: [...dtypes.map(tensorOf), float32('product', [ROUNDED_PRODUCT.bits])],
};

/** @returns the op of the product that is rounded, with the least seed under which it is added */
function productOp(): HashOp {
  const { bucket, scale } = ROUNDED_PRODUCT;
  let seed = 0;
  while (placeBlock(0, tensorSeed(seed, 0), 1) & 1) seed++;
  return { ...hash([['product', scale]], floats(bucket)), seed };
}

/** The cases as one payload that every reader must apply. */
export const ROUNDED: Accepted = { base, diff: { ops: [...dtypes.flatMap(opsOf), productOp()] } };
