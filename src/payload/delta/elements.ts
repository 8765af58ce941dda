import { DTYPES, type TensorInfo, wordsOf } from '../../model/tensor.js';
import { orderedBits } from '../ordered-bits.js';

/** Elements of a tensor as a delta record sees them: sign and magnitude. */
export interface Elements {
  readonly words: Uint8Array | Uint16Array | Uint32Array;
  readonly form: ElementForm;
}

/** What the bits of an element mean. */
export interface ElementForm {
  /** Bits of an element: 8, 16 or 32. */
  readonly width: number;
  /** The sign bit of floats; 0 for integers. */
  readonly sign: number;
  /** Bits of a float's fraction; 32 for integers, which have no exponent. */
  readonly fraction: number;
  /** Whether integers are in two's complement. */
  readonly isSigned: boolean;
}

const FRACTIONS: Readonly<Record<string, number>> = { float32: 23, float16: 10, bfloat16: 7 };

/** @returns how elements of a tensor, or its words, are read */
export function formOf(info: TensorInfo): ElementForm {
  const { dtype } = wordsOf(info);
  const width = 8 * DTYPES[dtype].bytes;
  const isFloat = DTYPES[dtype].kind === 'float';
  return {
    width,
    sign: isFloat ? 2 ** (width - 1) : 0,
    fraction: FRACTIONS[dtype] ?? 32,
    isSigned: !isFloat && dtype.startsWith('int'),
  };
}

/** @returns a view of the elements; `bytes` must be aligned to their size */
export function elementsOf(info: TensorInfo, bytes: Uint8Array): Elements {
  return { words: orderedBits(info, bytes).words, form: formOf(info) };
}

/** @returns the form of floats without the lowest bits of their fractions */
export function shorten(form: ElementForm, bits: number): ElementForm {
  const { width, sign, fraction } = form;
  return { ...form, width: width - bits, sign: sign / 2 ** bits, fraction: fraction - bits };
}

/** @returns floats of 32 bits without their lowest bits, as a copy unless there are none */
export function dropBits({ words, form }: Elements, bits: number): Elements {
  if (bits === 0) return { words, form };
  const short = shorten(form, bits);
  const kept = short.width > 16 ? new Uint32Array(words.length) : new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) kept[i] = (words[i] as number) >>> bits;
  return { words: kept, form: short };
}

/** @returns 1 for a negative element, else 0 */
export function signOf(word: number, { sign, isSigned, width }: ElementForm): number {
  if (sign !== 0) return word >>> (width - 1);
  return isSigned ? (word >>> (width - 1)) & 1 : 0;
}

/** @returns an element without its sign: of a float the bits of exponent and fraction */
export function magnitudeOf(word: number, form: ElementForm): number {
  const { sign, width } = form;
  if (sign !== 0) return (word & (sign - 1)) >>> 0;
  return signOf(word, form) === 1 ? 2 ** width - word : word;
}

/**
 * Computes the level of a magnitude: twice the base-2 logarithm, cut to whole numbers, from the highest bit
 * and the one below it; 0 for 0.
 *
 * A float of exponent field e from 1 on has `2 * (e + fraction) + the highest bit of the fraction`, and
 * subnormal numbers continue these levels downwards.
 */
export function levelOf(magnitude: number, fraction: number): number {
  const exponent = fraction < 32 ? magnitude >>> fraction : 0;
  if (exponent > 0) return (magnitude >>> (fraction - 1)) + 2 * fraction;
  const bits = 32 - Math.clz32(magnitude);
  return bits < 2 ? 2 * bits : 2 * bits + ((magnitude >>> (bits - 2)) & 1);
}

/** Largest level of a magnitude of 32 bits, and of a float. */
export const MAX_LEVEL = 2 * 279;

/** @returns the difference of the ordinal numbers, within the signed integers of the width */
export function differenceOf(before: number, after: number, { sign, width }: ElementForm): number {
  if (sign === 0) return wrap(after - before, width);
  const ordinal = (word: number): number =>
    (word & sign) !== 0 ? -(word & (sign - 1)) - 1 : word & (sign - 1);
  return wrap(ordinal(after) - ordinal(before), width);
}

function wrap(difference: number, width: number): number {
  return width === 32 ? difference | 0 : (difference << (32 - width)) >> (32 - width);
}

/** @returns words of 32 bits as signed integers, which engines keep in registers; others as they are */
export function signedWords(words: Elements['words']): Int32Array | Exclude<Elements['words'], Uint32Array> {
  if (!(words instanceof Uint32Array)) return words;
  return new Int32Array(words.buffer, words.byteOffset, words.length);
}
