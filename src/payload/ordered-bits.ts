import { DTYPES, type TensorInfo, wordBytes, wordsOf } from '../model/tensor.js';

/**
 * Elements as ordinal numbers: whole numbers in the order of the values, so that near values have near
 * ordinals.
 */
export interface OrderedBits {
  /** The elements' bits. */
  readonly words: Uint8Array | Uint16Array | Uint32Array;
  /** The sign bit of floats, whose bits are ordered by magnitude; 0 for integers, which wrap around. */
  readonly sign: number;
}

/** @returns a view of the bits of the elements or their words; `bytes` must be aligned to their size */
export function orderedBits(info: TensorInfo, bytes: Uint8Array): OrderedBits {
  const { bytes: size, kind } = DTYPES[wordsOf(info).dtype];
  const Words = ([Uint8Array, Uint16Array, Uint32Array] as const)[size >> 1] as typeof Uint32Array;
  const words = new Words(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / size);
  return { words, sign: kind === 'float' ? 2 ** (8 * size - 1) : 0 };
}

/** @returns an element's ordinal number; only as many low bits as the element has are meaningful */
export function ordinalOf({ words, sign }: OrderedBits, index: number): number {
  const bits = words[index] as number;
  return (bits & sign) !== 0 ? ~bits : bits ^ sign;
}

/** Adds a difference to an element's ordinal number, modulo its size. */
export function addOrdered(element: OrderedBits, index: number, difference: number): void {
  const ordinal = ordinalOf(element, index) + difference;
  const { words, sign } = element;
  words[index] = sign !== 0 && (ordinal & sign) === 0 ? ~ordinal : ordinal ^ sign;
}

/**
 * @returns the range of differences between elements of a tensor: the signed integers of the element's size
 */
export function differenceRange(info: TensorInfo): { min: number; max: number } {
  const half = 2 ** (8 * wordBytes(info) - 1);
  return { min: -half, max: half - 1 };
}

/**
 * @returns the difference within `differenceRange` that is congruent to any whole number modulo the element's
 *   size
 */
export function wrapDifference(info: TensorInfo, difference: number): number {
  const { min, max } = differenceRange(info);
  const size = max - min + 1;
  return difference - size * Math.floor((difference - min) / size);
}
