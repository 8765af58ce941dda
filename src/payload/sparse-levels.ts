import type { TensorInfo } from '../model/tensor.js';
import { type BitCoder, Contexts, FAST, MagnitudeCoding } from './coding.js';
import { corrupt, MAX_SPARSE_LEVEL } from './limits.js';
import { differenceRange } from './ordered-bits.js';

/** Kinds of ops that name positions. */
export type ChangeKind = 'sparse' | 'exact';

/** Levels that an op may have. */
export interface LevelRange {
  readonly least: number;
  readonly most: number;
}

const SPARSE_RANGE: LevelRange = { least: -MAX_SPARSE_LEVEL, most: MAX_SPARSE_LEVEL };

/** @returns the levels that an op of a kind may have in a tensor, but for 0 */
export function levelRange(kind: ChangeKind, info: TensorInfo): LevelRange {
  return kind === 'sparse' ? SPARSE_RANGE : differenceRange(info);
}

/**
 * Levels of a sparse or exact record, none of them 0: the sign, predicted from the sign before in the same line; the magnitude,
 * predicted from whether the one before was above 1.
 */
export class LevelCoding {
  readonly #signs = new Contexts(3, FAST);
  /** For magnitudes behind a 1, and behind a larger one. */
  readonly #behindSmall: MagnitudeCoding;
  readonly #behindLarge: MagnitudeCoding;
  readonly #coder: BitCoder;
  /** 0 for none in this line, 1 for plus, 2 for minus. */
  #sign = 0;
  #isLarge = false;

  constructor(coder: BitCoder) {
    this.#coder = coder;
    this.#behindSmall = new MagnitudeCoding(coder, FAST);
    this.#behindLarge = new MagnitudeCoding(coder, FAST);
  }

  /** Levels of the tensor at hand. */
  range: LevelRange = SPARSE_RANGE;

  startLine(): void {
    this.#sign = 0;
  }

  /**
   * @param level for an encoder: the level
   * @throws NeuralDiffError `corrupt-payload` for one that is too large
   */
  code(level = 0): number {
    const negative = this.#coder.bit(this.#signs, this.#sign, level < 0 ? 1 : 0);
    const magnitudes = this.#isLarge ? this.#behindLarge : this.#behindSmall;
    const magnitude = magnitudes.code(Math.abs(level));
    const coded = negative === 1 ? -magnitude : magnitude;
    if (coded < this.range.least || coded > this.range.most)
      throw corrupt(`a level of ${coded} is out of range`);
    this.#sign = 1 + negative;
    this.#isLarge = magnitude > 1;
    return coded;
  }
}
