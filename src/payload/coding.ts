import { corrupt } from './limits.js';

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

/**
 * Counts of the ones and zeros that were seen in each of some situations: what an adaptive coder predicts the next
 * decision from.
 *
 * A count is kept as `2 n + 1`, so that `ones / (ones + zeros)` is the estimate of R. Krichevsky and V. Trofimov, "The
 * performance of universal encoding", 1981.
 */
export class Contexts {
  /** Ones at even indexes, zeros behind them. */
  readonly counts: Uint16Array;
  /** Both counts are halved when their sum exceeds it. */
  readonly limit: number;

  /**
   * @param size number of situations
   * @param limit from 4 to `SLOW`; low ones follow data that change, high ones learn steady data to the last bit
   */
  constructor(size: number, limit: number) {
    this.counts = new Uint16Array(2 * size).fill(1);
    this.limit = limit;
  }

  /** Counts a decision. */
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

/** Limit for data that are alike from start to end. */
export const SLOW = 2 ** 14;

/** Limit for data that differ from tensor to tensor and from row to row. */
export const FAST = 2 ** 10;

/** Largest number of bits below the first one. */
const MAX_WIDTH = 32;

/**
 * Codes whole numbers below 2^32: how many bits of n + 1 follow its first one, in unary, each decision with a context;
 * then those bits as they are.
 *
 * Source: P. Elias, "Universal codeword sets and representations of the integers", 1975 (the gamma code, of n + 1).
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

/** Magnitudes below it are coded in unary. */
const UNARY = 15;

/** Codes magnitudes of at least 1: in unary, each decision with a context; from 15 on, what is above 15 as a number. */
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
