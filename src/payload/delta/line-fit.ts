import { sumLevels } from './decoder.js';
import type { ElementForm } from './elements.js';
import { columnsOf, KEPT, type Lines, rowsOf, type SegmentScope } from './head.js';
import type { ElementPair, SplitElements } from './split-elements.js';

/** A run of elements of one tensor, before and after. */
export interface Run {
  readonly pair: ElementPair;
  readonly scope: SegmentScope;
}

/** How large each element's change is, or the new element: what the contexts of a segment are to predict. */
export class Sizes {
  /** Levels; of changes, those of the real difference in steps of the smallest number. */
  readonly levels: Int16Array;
  /** 1 where an element changes; always 1 for new elements. */
  readonly changes: Uint8Array;

  /** @param split the same run */
  constructor({ base, next }: ElementPair, { tokens, count, isNew }: SplitElements) {
    this.levels = new Int16Array(count);
    this.changes = new Uint8Array(count).fill(1);
    if (isNew) {
      sumLevels(
        next,
        { isBased: true, scope: { form: next.form, first: 0, elements: count }, first: 0 },
        this.levels,
      );
      return;
    }
    const levels = levelsOfTokens(base.form);
    const { fraction, sign } = base.form;
    for (let i = 0; i < count; i++) {
      const token = tokens[i] as number;
      const exponent = sign === 0 ? 0 : ((base.words[i] as number) & (sign - 1)) >>> fraction;
      this.levels[i] = (levels[token] as number) + 2 * Math.max(1, exponent);
      this.changes[i] = token === 0 ? 0 : 1;
    }
  }
}

/** @returns the level of each token's difference: tokens of wider elements have it above the sign */
function levelsOfTokens({ width }: ElementForm): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, token) => {
    if (width > 8) return token >>> 1;
    const distance = Math.min(token, 256 - token);
    return distance === 0 ? 0 : Math.floor(2 * Math.log2(distance)) + 2;
  });
}

/** The part of a row that a run has: its index, a range of the run's elements, and the first one's column. */
interface Row {
  readonly row: number;
  readonly start: number;
  readonly end: number;
  readonly column: number;
}

/** Where the elements of a run lie in rows and columns. */
class Grid {
  readonly columns: number;
  readonly rows: number;
  readonly #firstColumn: number;

  constructor({ shape = [], first, elements }: SegmentScope, split: number) {
    this.columns = columnsOf(shape, split);
    this.rows = rowsOf(this.columns, { first, elements });
    this.#firstColumn = first % this.columns;
  }

  /** Calls a function for each row. */
  walk(elements: number, visit: (row: Row) => void): void {
    let column = this.#firstColumn;
    for (let [row, start] = [0, 0]; start < elements; row++, column = 0) {
      const end = Math.min(elements, start + this.columns - column);
      visit({ row, start, end, column });
      start = end;
    }
  }
}

/** Fits an offset of each column: the mean size in the column, less those of its elements' rows. */
export function fitColumns(scope: SegmentScope, { levels }: Sizes, split: number): Float32Array {
  const grid = new Grid(scope, split);
  const [sums, counts] = [new Float64Array(grid.columns), new Float64Array(grid.columns)];
  grid.walk(levels.length, ({ start, end, column: first }) => {
    let sum = 0;
    for (let i = start; i < end; i++) sum += levels[i] as number;
    const mean = sum / (end - start);
    for (let i = start, column = first; i < end; i++, column++) {
      sums[column] = (sums[column] as number) + (levels[i] as number) - mean;
      counts[column] = (counts[column] as number) + 1;
    }
  });
  return Float32Array.from(sums, (sum, column) => sum / Math.max(1, counts[column] as number));
}

/** How sizes become offsets. */
interface LinePlan {
  readonly split: number;
  readonly step: number;
  /** The fitted columns. */
  readonly columns: Float32Array;
  readonly isNew: boolean;
  /** The segment before of the tensor. */
  readonly before?: Lines | undefined;
}

/** Fits the rows of a segment to its columns, and finds the rows and columns that do not change. */
export function fitLines(scope: SegmentScope, { levels, changes }: Sizes, plan: LinePlan): Lines {
  const { step, split, columns, before } = plan;
  const grid = new Grid(scope, split);
  const rows = new Int16Array(grid.rows);
  const changed = new Uint8Array(grid.columns);
  const sign = plan.isNew ? 1 : -1;
  const offset = (size: number): number => sign * step * Math.round(size / step);
  grid.walk(levels.length, ({ row, start, end, column: first }) => {
    let [sum, some] = [0, 0];
    for (let i = start, column = first; i < end; i++, column++) {
      sum += (levels[i] as number) - (columns[column] as number);
      const change = changes[i] as number;
      some |= change;
      changed[column] = (changed[column] as number) | change;
    }
    rows[row] = some === 0 ? KEPT : offset(sum / (end - start));
  });
  const isRepeated = before?.columns.every((column, i) => column !== KEPT || changed[i] === 0) === true;
  const own = (): Int16Array =>
    Int16Array.from(changed, (some, column) => (some === 0 ? KEPT : offset(columns[column] as number)));
  return { split, step, isRepeated, rows, columns: before && isRepeated ? before.columns : own() };
}
