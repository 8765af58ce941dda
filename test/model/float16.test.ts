import { expect, test } from 'vitest';
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from '../../src/model/float16.js';
import { createRandom } from '../support.js';

const PATTERNS = 65_536;

/** The value of a small float format straight from its definition: sign, exponent, fraction. */
function valueByDefinition(bits: number, format: { exponentBits: number; fractionBits: number }): number {
  const { exponentBits, fractionBits } = format;
  const sign = bits >>> 15 === 1 ? -1 : 1;
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1)
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

const FORMATS = [
  {
    name: 'float16',
    narrow: float16Bits,
    widen: float16Value,
    nan: 0x7e00,
    infinity: 0x7c00,
    layout: { exponentBits: 5, fractionBits: 10 },
  },
  {
    name: 'bfloat16',
    narrow: bfloat16Bits,
    widen: bfloat16Value,
    nan: 0x7fc0,
    infinity: 0x7f80,
    layout: { exponentBits: 8, fractionBits: 7 },
  },
];

const float = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0] as number;

for (const { name, narrow, widen, nan, infinity, layout } of FORMATS) {
  /**
   * Rounds by search: the two neighbours of a magnitude among all patterns, then the nearer, or the even one.
   */
  const roundByDefinition = (value: number): number => {
    if (Number.isNaN(value)) return nan;
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
    const magnitude = Math.abs(value);
    let below = 0;
    for (let step = 2 ** 14; step >= 1; step /= 2)
      if (below + step < infinity && valueByDefinition(below + step, layout) <= magnitude) below += step;
    // Beyond the largest number the next step would be a power of two: that is where infinity begins.
    const top = valueByDefinition(infinity - 1, layout);
    const above =
      below + 1 === infinity
        ? 2 * top - valueByDefinition(infinity - 2, layout)
        : valueByDefinition(below + 1, layout);
    const toBelow = magnitude - valueByDefinition(below, layout);
    const toAbove = above - magnitude;
    const roundsUp = toAbove < toBelow || (toAbove === toBelow && below % 2 === 1);
    return sign | (roundsUp ? below + 1 : below);
  };

  test(`${name}Value() gives the defined value of all 65,536 patterns`, () => {
    const wrong = [];
    for (let bits = 0; bits < PATTERNS; bits++)
      if (!Object.is(widen(bits), valueByDefinition(bits, layout))) wrong.push(bits);
    expect(wrong).toEqual([]);
  });

  test(`${name}Bits() gives each of the 65,536 patterns back, NaNs as the one quiet NaN`, () => {
    const wrong = [];
    for (let bits = 0; bits < PATTERNS; bits++) {
      const expected = Number.isNaN(valueByDefinition(bits, layout)) ? nan : bits;
      if (narrow(widen(bits)) !== expected) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test(`${name}Bits() rounds every tie to even, and its neighbours to the nearer side`, () => {
    const wrong: string[] = [];
    for (let below = 0; below < infinity; below++) {
      const low = valueByDefinition(below, layout);
      const high =
        below + 1 === infinity
          ? 2 * low - valueByDefinition(below - 1, layout)
          : valueByDefinition(below + 1, layout);
      const tie = bitsOf((low + high) / 2);
      const even = below % 2 === 0 ? below : below + 1;
      for (const sign of [0, 0x8000]) {
        const got = [tie - 1, tie, tie + 1].map((bits) => narrow(float(sign ? bits + 2 ** 31 : bits)));
        const expected = [below | sign, even | sign, (below + 1) | sign];
        if (got.join() !== expected.join()) wrong.push(`${below}: ${got} for ${expected}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test(`${name}Bits() agrees with rounding by search on float32 patterns of every exponent`, () => {
    const random = createRandom(7);
    const wrong: number[] = [];
    for (let i = 0; i < 60_000; i++) {
      const bits = (((i & 511) << 23) | (random() & 0x7fffff)) >>> 0;
      if (narrow(float(bits)) !== roundByDefinition(float(bits))) wrong.push(bits);
    }
    for (const bits of [
      0, 0x80000000, 1, 0x80000001, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7f800001,
    ])
      if (narrow(float(bits)) !== roundByDefinition(float(bits))) wrong.push(bits);
    expect(wrong).toEqual([]);
  });
}
