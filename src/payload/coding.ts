import { corrupt } from './limits.js';

/**
 * An arithmetic encoder or decoder of binary decisions.
 *
 * The grammar of a record is written once for both: an encoder codes each `value` and returns it, a decoder
 * ignores it and returns the decoded value.
 */
export interface BitCoder {
  /** Codes one decision, predicted from a context. */
  bit(contexts: Contexts, index: number, value: number): number;
  /** Codes a whole number of `width` bits, 0 to 16, without prediction, highest bit first. */
  raw(width: number, value: number): number;
}

/**
 * Codes a whole number of `width` bits, up to 32, without prediction.
 *
 * @param value for an encoder: a whole number from 0 on; its lowest `width` bits are coded
 */
export function codeWide(coder: BitCoder, width: number, value: number): number {
  if (width <= 16) return coder.raw(width, value & ((1 << width) - 1));
  const high = coder.raw(width - 16, (value >>> 16) & ((1 << (width - 16)) - 1));
  return high * 0x10000 + coder.raw(16, value & 0xffff);
}

/**
 * Adaptive counts of ones and zeros, one pair per context, from which the next decision is predicted.
 *
 * A count is kept as `2 n + 1`, so that `ones / (ones + zeros)` is the estimate of R. Krichevsky and V.
 * Trofimov, "The performance of universal encoding", 1981.
 */
export class Contexts {
  /** Counts of ones at even indexes, each followed by the count of zeros. */
  readonly counts: Uint16Array;
  /** Both counts are halved when their sum exceeds this limit. */
  readonly limit: number;

  /**
   * @param size number of contexts
   * @param limit from 4 to `SLOW`; low limits adapt to changing statistics, high limits are precise on steady
   *   ones
   */
  constructor(size: number, limit: number) {
    this.counts = new Uint16Array(2 * size).fill(1);
    this.limit = limit;
  }

  /** Counts one decision. */
  update(index: number, bit: number): void {
    const { counts } = this;
    const at = 2 * index;
    const seen = at + 1 - bit;
    counts[seen] = (counts[seen] as number) + 2;
    if ((counts[at] as number) + (counts[at + 1] as number) <= this.limit) return;
    counts[at] = ((counts[at] as number) >>> 1) | 1;
    counts[at + 1] = ((counts[at + 1] as number) >>> 1) | 1;
  }
}

/** Limit for statistics that stay the same throughout a record. */
export const SLOW = 2 ** 14;

/** Limit for statistics that differ between tensors and rows. */
export const FAST = 2 ** 10;

/** Largest number of bits after the leading one. */
const MAX_WIDTH = 32;

/**
 * Codes whole numbers below 2^32: the number of bits of n + 1 after its leading one, in unary with a context
 * for each decision; then those bits without prediction.
 *
 * Source: P. Elias, "Universal codeword sets and representations of the integers", 1975 (the gamma code, of n
 * + 1).
 */
export class NumberCoding {
  readonly #contexts: Contexts;
  readonly #coder: BitCoder;

  constructor(coder: BitCoder, limit: number) {
    this.#coder = coder;
    this.#contexts = new Contexts(MAX_WIDTH, limit);
  }

  /**
   * @param value for an encoder: the number
   * @throws NeuralDiffError `corrupt-payload` for 2^32 and above
   */
  code(value = 0): number {
    const above = value + 1;
    const size = above > 0xffffffff ? MAX_WIDTH : 31 - Math.clz32(above);
    let width = 0;
    while (width < MAX_WIDTH && this.#coder.bit(this.#contexts, width, width < size ? 1 : 0) === 1) width++;
    const first = width < MAX_WIDTH ? (1 << width) >>> 0 : 2 ** MAX_WIDTH;
    const number = first + codeWide(this.#coder, width, above) - 1;
    if (number > 0xffffffff) throw corrupt(`a number of ${number} is out of range`);
    return number;
  }
}

/** Magnitudes below this are coded in unary. */
const UNARY = 15;

/**
 * Codes magnitudes of at least 1: in unary with a context for each decision; from 15 on, the excess as a
 * number.
 */
export class MagnitudeCoding {
  readonly #unary: Contexts;
  readonly #rest: NumberCoding;
  readonly #coder: BitCoder;

  constructor(coder: BitCoder, limit: number) {
    this.#coder = coder;
    this.#unary = new Contexts(UNARY - 1, limit);
    this.#rest = new NumberCoding(coder, limit);
  }

  /** @param magnitude for an encoder: the magnitude */
  code(magnitude = 1): number {
    let reached = 1;
    while (reached < UNARY) {
      if (this.#coder.bit(this.#unary, reached - 1, magnitude > reached ? 1 : 0) === 0) return reached;
      reached++;
    }
    return UNARY + this.#rest.code(Math.max(0, magnitude - UNARY));
  }
}
