import { elementCount, type TensorInfo } from '../model/tensor.js';
import { type BitCoder, Contexts, codeWide, FAST, SLOW } from './coding.js';
import { corrupt } from './limits.js';
import type { LevelCoding } from './sparse-levels.js';

/** Elements mapped at a time, which a reader holds in memory. */
export const SLAB_ELEMENTS = 2 ** 16;

/** Upper bits of a remainder that are predicted; the lower bits are close to uniform. */
const PREDICTED = 2;

/**
 * Codes positions without structure: the gap between consecutive positions as a quotient by 2^rice, in unary,
 * and a remainder.
 *
 * Source: R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979; skewed
 * decisions are predicted by the arithmetic coder.
 */
export class PlainPositions {
  readonly #contexts = new Contexts(2 ** PREDICTED, SLOW);
  readonly #coder: BitCoder;

  constructor(coder: BitCoder) {
    this.#coder = coder;
  }

  /**
   * Codes the next position.
   *
   * @param from the first possible position
   * @param bounds the Rice parameter and the number of elements of the tensor
   * @param next for an encoder: the next position, or `elements` for none
   * @returns the next position, or `elements` for none
   * @throws NeuralDiffError `corrupt-payload` for a position outside the tensor
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

/**
 * An arrangement of a tensor's elements in lines: the first `split` dimensions form rows, the others columns.
 */
export interface View {
  readonly split: number;
  /** Whether lines are columns. */
  readonly transposed: boolean;
}

/** @returns the view with a code from 1 on, as stored in records */
export function viewOf(code: number): View {
  return { split: (code - 1) >>> 1, transposed: code % 2 === 0 };
}

/** @returns the code of a view */
export function codeOf({ split, transposed }: View): number {
  return 1 + 2 * split + (transposed ? 1 : 0);
}

/**
 * @returns the number of elements per row; 0 for a view that the tensor does not have or whose rows are too
 *   long
 */
export function rowLength(info: TensorInfo, { split }: View): number {
  if (split > Math.max(0, info.shape.length - 1)) return 0;
  const columns = info.shape.slice(split).reduce((product, size) => product * size, 1);
  return columns <= SLAB_ELEMENTS ? columns : 0;
}

/** A tensor, or a run of its rows, arranged in lines of elements. */
export interface Slab {
  /** The elements' levels in storage order, 0 for unchanged; a decoder fills in the others in place. */
  readonly levels: Int32Array;
  readonly lines: number;
  readonly length: number;
  /** Distance in `levels` between lines, and between elements of a line. */
  readonly lineStep: number;
  readonly step: number;
  /** Number of lines before this slab that `columns` counts. */
  readonly firstLine: number;
  /** Number of changed elements so far by index in the line, up to 8. */
  readonly columns: Uint8Array;
  /** For an encoder: 1 for lines that contain a change. */
  readonly occupied?: Uint8Array;
}

/**
 * Splits a tensor into slabs of whole rows.
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

  /** Index of the first element of the next slab. */
  get start(): number {
    return this.#done * this.#row;
  }

  /** Number of elements of the next slab; 0 at the end. */
  get size(): number {
    return Math.min(this.#rowsAtOnce, this.#rows - this.#done) * this.#row;
  }

  /** @returns the next slab, over levels in storage order */
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

const LINE_CLASSES = 8;
const COLUMN_CLASSES = 4;

/** Lines after which the counts of columns use a second set of contexts. */
const EARLY_LINES = 16;

/**
 * Codes positions as a map: a decision per line, then a decision per element of the lines that change.
 *
 * An element is predicted from how many elements of its line and column have changed so far, since training
 * changes some inputs and outputs of a layer much more than others.
 */
export class MappedPositions {
  readonly #lines = new Contexts(2, FAST);
  readonly #elements = new Contexts(2 * LINE_CLASSES * COLUMN_CLASSES, FAST);
  readonly #coder: BitCoder;
  readonly #levels: LevelCoding;

  constructor(coder: BitCoder, levels: LevelCoding) {
    this.#coder = coder;
    this.#levels = levels;
  }

  /** Codes a slab's positions and levels. */
  code(slab: Slab): void {
    const { lines, length, occupied } = slab;
    let previous = 0;
    for (let line = 0; line < lines; line++) {
      if (length > 1) {
        previous = this.#coder.bit(this.#lines, previous, occupied?.[line] ?? 0);
        if (previous === 0) continue;
      }
      this.#codeLine(slab, line);
    }
  }

  #codeLine({ levels, length, lineStep, step, firstLine, columns }: Slab, line: number): void {
    const late = firstLine + line < EARLY_LINES ? 0 : COLUMN_CLASSES * LINE_CLASSES;
    const coder = this.#coder;
    const contexts = this.#elements;
    let changes = 0;
    this.#levels.startLine();
    for (let i = 0, at = line * lineStep; i < length; i++, at += step) {
      const level = levels[at] as number;
      // A line that changes, but not before its last element, must change there.
      const isCertain = length > 1 && changes === 0 && i === length - 1;
      const column = columns[i] as number;
      const context = late + COLUMN_CLASSES * lineClass(changes, i) + (COLUMN_CLASS[column] as number);
      if (!isCertain && coder.bit(contexts, context, level === 0 ? 0 : 1) === 0) continue;
      levels[at] = this.#levels.code(level);
      columns[i] = Math.min(column + 1, 8);
      changes++;
    }
  }
}

/** @returns about `log2(elements so far / changes so far)`, 0 to 7 */
function lineClass(changes: number, elements: number): number {
  const ratio = Math.clz32(2 * changes + 1) - Math.clz32(elements + 8);
  return ratio < 0 ? 0 : Math.min(ratio, LINE_CLASSES - 1);
}

/** The class of a column by its number of changes, up to 8. */
const COLUMN_CLASS = Uint8Array.of(0, 1, 2, 2, 2, 2, 2, 2, 3);
