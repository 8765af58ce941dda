import type { Contexts } from './contexts.js';

/**
 * One side of an arithmetic coder of binary decisions. The grammar of a record is written once and serves both sides:
 * an encoder takes each `value` and gives it back, a decoder passes over it and gives what was encoded.
 */
export interface BitCoder {
  /** One decision, predicted from a context. */
  bit(contexts: Contexts, index: number, value: number): number;
  /** Bits that are as often 0 as 1, the highest first: a whole number of `width` bits, 0 to 16. */
  raw(width: number, value: number): number;
}

/**
 * Codes a whole number of `width` bits, up to 32, without prediction.
 *
 * @param value for an encoder: any whole number from 0 on, of which the lowest `width` bits are coded
 */
export function codeWide(coder: BitCoder, width: number, value: number): number {
  if (width <= 16) return coder.raw(width, value & ((1 << width) - 1));
  const high = coder.raw(width - 16, (value >>> 16) & ((1 << (width - 16)) - 1));
  return high * 0x10000 + coder.raw(16, value & 0xffff);
}
