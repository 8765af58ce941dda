import type { ExactOp, SparseOp } from './diff.js';

/** Positions, and levels of any size. */
export type Values = Pick<ExactOp, 'positions' | 'levels'>;

/** Positions, and a level each, as ops have them. */
export type ChangedElements = Pick<SparseOp | ExactOp, 'positions' | 'levels'>;

/** Collects changed weights, a run after the other, in arrays that double when they are full; one record after the other may use them. */
export class Changes {
  #positions = new Uint32Array(256);
  #levels = new Int32Array(256);
  #count = 0;
  #slab = new Int32Array(0);

  add(position: number, level: number): void {
    if (this.#count === this.#positions.length) this.#grow();
    this.#positions[this.#count] = position;
    this.#levels[this.#count++] = level;
  }

  /** @returns what was added since the last time; it is valid until more is added */
  borrow(): Values {
    const end = this.#count;
    this.#count = 0;
    return { positions: this.#positions.subarray(0, end), levels: this.#levels.subarray(0, end) };
  }

  /** @returns memory for the levels of a slab, with anything in it */
  slab(size: number): Int32Array {
    if (this.#slab.length < size) this.#slab = new Int32Array(size);
    return this.#slab;
  }

  #grow(): void {
    const [positions, levels] = [this.#positions, this.#levels];
    this.#positions = new Uint32Array(2 * this.#count);
    this.#levels = new Int32Array(2 * this.#count);
    this.#positions.set(positions);
    this.#levels.set(levels);
  }
}
