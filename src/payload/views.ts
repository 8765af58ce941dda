import { elementCount, type TensorInfo } from '../model/index.js';
import { corrupt } from './corrupt.js';
import type { Slab } from './mapped-positions.js';

/** Elements that are mapped at a time: what a reader holds of a tensor. */
export const SLAB_ELEMENTS = 2 ** 18;

/** How a tensor's elements lie in lines: `split` dimensions count rows, the others columns. */
export interface View {
  readonly split: number;
  /** Whether lines are columns. */
  readonly transposed: boolean;
}

/** @returns the view of a number from 1 on, as records have it */
export function viewOf(code: number): View {
  return { split: (code - 1) >>> 1, transposed: code % 2 === 0 };
}

/** @returns the number of a view */
export function codeOf({ split, transposed }: View): number {
  return 1 + 2 * split + (transposed ? 1 : 0);
}

/** @returns elements of a row; 0 for a view that the tensor does not have, or whose rows are too long */
export function rowLength(info: TensorInfo, { split }: View): number {
  if (split > Math.max(0, info.shape.length - 1)) return 0;
  const columns = info.shape.slice(split).reduce((product, size) => product * size, 1);
  return columns <= SLAB_ELEMENTS ? columns : 0;
}

/**
 * Cuts a tensor into slabs of whole rows.
 *
 * @throws NeuralDiffError `corrupt-payload` for a view that the tensor does not have
 */
export class Slabs {
  readonly #rows: number;
  readonly #row: number;
  readonly #transposed: boolean;
  readonly #columns: Uint8Array;
  readonly #rowsAtOnce: number;
  #done = 0;

  constructor(info: TensorInfo, view: View) {
    this.#row = rowLength(info, view);
    if (this.#row === 0) throw corrupt(`tensor "${info.name}" has no view ${codeOf(view)}`);
    this.#rows = elementCount(info) / this.#row;
    this.#transposed = view.transposed;
    this.#rowsAtOnce = Math.min(this.#rows, Math.max(1, Math.floor(SLAB_ELEMENTS / this.#row)));
    this.#columns = new Uint8Array(view.transposed ? this.#rowsAtOnce : this.#row);
  }

  /** The first element of the slab to come. */
  get start(): number {
    return this.#done * this.#row;
  }

  /** Elements of the slab to come; 0 at the end. */
  get size(): number {
    return Math.min(this.#rowsAtOnce, this.#rows - this.#done) * this.#row;
  }

  /** @returns the slab to come, over levels in storage order */
  next(levels: Int32Array): Slab {
    const rows = this.size / this.#row;
    const firstLine = this.#transposed ? 0 : this.#done;
    this.#done += rows;
    if (this.#transposed) this.#columns.fill(0);
    const row = this.#row;
    const lines = this.#transposed
      ? { lines: row, length: rows, lineStep: 1, step: row }
      : { lines: rows, length: row, lineStep: row, step: 1 };
    return { levels: levels.subarray(0, rows * row), columns: this.#columns, firstLine, ...lines };
  }
}
