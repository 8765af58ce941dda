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

/** Contexts of a number: its size in unary. */
export const NUMBER_CONTEXTS = 32;

/**
 * A whole number below 2^32: how many bits it has in unary, each decision with a context, then the bits below the
 * first.
 *
 * Source: P. Elias, "Universal codeword sets and representations of the integers", 1975 (the gamma code, of n + 1).
 *
 * @param contexts from `first` on, `NUMBER_CONTEXTS` of them
 */
export function codeNumber(
  coder: BitCoder,
  { contexts, first }: { contexts: Contexts; first: number },
  value: number,
): number {
  const above = value + 1;
  const size = above > 0xffffffff ? 32 : 31 - Math.clz32(above);
  let width = 0;
  while (
    width < 32 &&
    coder.bit(contexts, first + Math.min(width, NUMBER_CONTEXTS - 1), width < size ? 1 : 0) === 1
  )
    width++;
  const high = coder.raw(Math.max(0, width - 16), Math.floor((above % 2 ** width) / 0x10000));
  const low = coder.raw(Math.min(16, width), (above % 0x10000) % 2 ** width);
  return 2 ** width + high * 0x10000 + low - 1;
}
