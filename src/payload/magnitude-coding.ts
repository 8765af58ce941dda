import type { BitCoder } from './bit-coder.js';
import { Contexts } from './contexts.js';
import { NumberCoding } from './number-coding.js';

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
