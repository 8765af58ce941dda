import type { BitCoder } from './bit-coder.js';
import { Contexts, FAST } from './contexts.js';
import type { LevelCoding } from './sparse-levels.js';

/** A tensor, or a run of its rows, as lines of elements. */
export interface Slab {
  /** The elements' levels in storage order, 0 for unchanged; a decoder fills in the others. */
  readonly levels: Int32Array;
  readonly lines: number;
  readonly length: number;
  /** From one line to the next, and from one element of a line to the next, in `levels`. */
  readonly lineStep: number;
  readonly step: number;
  /** Lines before this slab in which `columns` were counted. */
  readonly firstLine: number;
  /** Changed elements so far by their place in the line, up to 8. */
  readonly columns: Uint8Array;
  /** For an encoder: which lines hold a change. */
  readonly occupied?: Uint8Array;
}

const LINE_CLASSES = 8;
const COLUMN_CLASSES = 4;

/** Lines after which the counts of columns mean something else. */
const EARLY_LINES = 16;

/**
 * Positions by a map: which lines change at all, and in those a decision for each element. It is predicted from how
 * many elements of its line and of its column have changed so far, since training changes some inputs and outputs of a
 * layer much more than others.
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
    const [coder, contexts] = [this.#coder, this.#elements];
    let changes = 0;
    this.#levels.startLine();
    for (let i = 0, at = line * lineStep; i < length; i++, at += step) {
      const given = levels[at] as number;
      // A line of several that changes, but not before its last element, changes there.
      const isCertain = length > 1 && changes === 0 && i === length - 1;
      const column = columns[i] as number;
      const context = late + COLUMN_CLASSES * lineClass(changes, i) + columnClass(column);
      if (!isCertain && coder.bit(contexts, context, given === 0 ? 0 : 1) === 0) continue;
      levels[at] = this.#levels.code(given);
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

function columnClass(changes: number): number {
  if (changes < 2) return changes;
  return changes < 8 ? 2 : 3;
}
