import type { TensorInfo } from '../model/tensor.js';
import { type BitCoder, Contexts, FAST, MagnitudeCoding } from './coding.js';
import { corrupt, MAX_SPARSE_LEVEL } from './limits.js';
import { differenceRange } from './ordered-bits.js';

/** Kinds of ops with positions. */
export type ChangeKind = 'sparse' | 'exact';

/** Inclusive range of levels. */
interface LevelRange {
  readonly min: number;
  readonly max: number;
}

const SPARSE_RANGE: LevelRange = { min: -MAX_SPARSE_LEVEL, max: MAX_SPARSE_LEVEL };

/** @returns the range of levels of an op in a tensor; 0 is excluded */
export function levelRange(kind: ChangeKind, info: TensorInfo): LevelRange {
  return kind === 'sparse' ? SPARSE_RANGE : differenceRange(info);
}

/**
 * Codes nonzero levels of a sparse or exact record: the sign, predicted from the previous sign in the same
 * line; the magnitude, predicted from whether the previous one was above 1.
 */
export class LevelCoding {
  readonly #signs = new Contexts(3, FAST);
  /** For magnitudes after a 1, and after a larger one. */
  readonly #afterSmall: MagnitudeCoding;
  readonly #afterLarge: MagnitudeCoding;
  readonly #coder: BitCoder;
  /** Previous sign in this line: 0 for none, 1 for plus, 2 for minus. */
  #sign = 0;
  #isLarge = false;

  constructor(coder: BitCoder) {
    this.#coder = coder;
    this.#afterSmall = new MagnitudeCoding(coder, FAST);
    this.#afterLarge = new MagnitudeCoding(coder, FAST);
  }

  /** Range of levels of the current tensor. */
  range: LevelRange = SPARSE_RANGE;

  startLine(): void {
    this.#sign = 0;
  }

  /**
   * @param level for an encoder: the level
   * @throws NeuralDiffError `corrupt-payload` for a level out of range
   */
  code(level = 0): number {
    const negative = this.#coder.bit(this.#signs, this.#sign, level < 0 ? 1 : 0);
    const magnitudes = this.#isLarge ? this.#afterLarge : this.#afterSmall;
    const magnitude = magnitudes.code(Math.abs(level));
    const coded = negative === 1 ? -magnitude : magnitude;
    if (coded < this.range.min || coded > this.range.max)
      throw corrupt(`a level of ${coded} is out of range`);
    this.#sign = 1 + negative;
    this.#isLarge = magnitude > 1;
    return coded;
  }
}
