import { type BitCoder, codeWide } from './bit-coder.js';
import { Contexts } from './contexts.js';
import { corrupt } from './corrupt.js';

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
