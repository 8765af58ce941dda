import { DTYPES, type TensorInfo } from '../model/tensor.js';

/** Elements as whole numbers in the order of their values, so that near values have near numbers. */
export interface OrderedBits {
  /** The elements' bits. */
  readonly words: Uint8Array | Uint16Array | Uint32Array;
  /** The sign bit of floats, whose bits order as their magnitudes; 0 for integers, which count on around their size. */
  readonly sign: number;
}

/** @returns bits of elements that start at a multiple of their size in their buffer */
export function orderedBits({ dtype }: TensorInfo, bytes: Uint8Array): OrderedBits {
  const { bytes: size, kind } = DTYPES[dtype];
  const Words = ([Uint8Array, Uint16Array, Uint32Array] as const)[size >> 1] as typeof Uint32Array;
  const words = new Words(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / size);
  return { words, sign: kind === 'float' ? 2 ** (8 * size - 1) : 0 };
}

/** @returns an element's number: right in its lowest bits, as many as the element has */
export function ordinalOf({ words, sign }: OrderedBits, index: number): number {
  const bits = words[index] as number;
  return (bits & sign) !== 0 ? ~bits : bits ^ sign;
}

/** Moves an element on by a difference of numbers, around the end. */
export function addOrdered(element: OrderedBits, index: number, difference: number): void {
  const order = ordinalOf(element, index) + difference;
  const { words, sign } = element;
  words[index] = sign !== 0 && (order & sign) === 0 ? ~order : order ^ sign;
}

/** @returns the least and the largest difference that an element of a tensor needs: its bits as a signed number */
export function differenceRange({ dtype }: TensorInfo): { least: number; most: number } {
  const half = 2 ** (8 * DTYPES[dtype].bytes - 1);
  return { least: -half, most: half - 1 };
}

/** @returns the difference that an element of a tensor needs which moves its bits as far as any whole number does */
export function wrapDifference(info: TensorInfo, difference: number): number {
  const { least, most } = differenceRange(info);
  const size = most - least + 1;
  return difference - size * Math.floor((difference - least) / size);
}
