import { type BitCoder, codeWide } from './bit-coder.js';
import { Contexts, SLOW } from './contexts.js';
import { corrupt } from './corrupt.js';

/** Upper bits of a remainder that are predicted; those below are as good as even. */
const PREDICTED = 2;

/**
 * Positions without any order in them: the gap between one and the next as a quotient by 2^rice in unary and a
 * remainder.
 *
 * Source: R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979; every decision whose
 * odds are not even is left to the arithmetic coder.
 */
export class PlainPositions {
  readonly #contexts = new Contexts(2 ** PREDICTED, SLOW);
  readonly #coder: BitCoder;

  constructor(coder: BitCoder) {
    this.#coder = coder;
  }

  /**
   * @param from the first position that may come
   * @param bounds the Rice parameter; elements of the tensor
   * @param next for an encoder: the position that comes, or `elements` for none
   * @returns the position that comes; `elements` for none
   * @throws NeuralDiffError `corrupt-payload` for one outside the tensor
   */
  code(from: number, bounds: { rice: number; elements: number }, next = 0): number {
    const { rice, elements } = bounds;
    const unit = (1 << rice) >>> 0;
    let position = from;
    for (;;) {
      if (position >= elements) return elements;
      const isBeyond = next === elements || next - position >= unit ? 1 : 0;
      if (this.#coder.bit(this.#contexts, 0, isBeyond) === 0) break;
      position += unit;
    }
    position += this.#codeRemainder(rice, next - position);
    if (position >= elements)
      throw corrupt(`a position of ${position} is outside a tensor of ${elements} elements`);
    return position;
  }

  #codeRemainder(rice: number, remainder: number): number {
    const predicted = Math.min(PREDICTED, rice);
    let context = 1;
    for (let left = rice - 1; left >= rice - predicted; left--) {
      const bit = this.#coder.bit(this.#contexts, context, (remainder >>> left) & 1);
      context = 2 * context + bit;
    }
    const upper = context - (1 << predicted);
    const width = rice - predicted;
    return ((upper << width) >>> 0) + codeWide(this.#coder, width, remainder);
  }
}
