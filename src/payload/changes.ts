import type { ExactOp, SparseOp } from './diff.js';

/** Positions, and levels of any size. */
export type Values = Pick<ExactOp, 'positions' | 'levels'>;

/** Positions, and a level each, as ops have them. */
export type ChangedElements = Pick<SparseOp | ExactOp, 'positions' | 'levels'>;

/** Collects changed weights: arrays that double when they are full, so that they take what was found and no more. */
export class Changes {
  #positions = new Uint32Array(256);
  #levels = new Int32Array(256);
  #count = 0;

  add(position: number, level: number): void {
    if (this.#count === this.#positions.length) this.#grow();
    this.#positions[this.#count] = position;
    this.#levels[this.#count++] = level;
  }

  /** @returns what was added, in arrays of its length */
  finish(): Values {
    return { positions: this.#positions.slice(0, this.#count), levels: this.#levels.slice(0, this.#count) };
  }

  #grow(): void {
    const { positions, levels } = this.finish();
    this.#positions = new Uint32Array(2 * this.#count);
    this.#levels = new Int32Array(2 * this.#count);
    this.#positions.set(positions);
    this.#levels.set(levels);
  }
}
