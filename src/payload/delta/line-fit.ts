import { differenceOf, levelOf, magnitudeOf } from './elements.js';
import type { ElementPair } from './encoder.js';
import { columnsOf, KEPT, type Lines, rowsOf, type SegmentScope } from './head.js';

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

  constructor({ base, next }: ElementPair, isNew: boolean) {
    const { form } = base;
    const count = base.words.length;
    this.levels = new Int16Array(count);
    this.changes = new Uint8Array(count).fill(1);
    for (let i = 0; i < count; i++) {
      const [before, after] = [base.words[i] as number, next.words[i] as number];
      if (isNew) {
        this.levels[i] = levelOf(magnitudeOf(after, form), form.fraction);
        continue;
      }
      if (before === after) this.changes[i] = 0;
      const exponent = form.fraction < 32 ? Math.max(1, magnitudeOf(before, form) >>> form.fraction) : 0;
      this.levels[i] = levelOf(Math.abs(differenceOf(before, after, form)), 32) + 2 * exponent;
    }
  }
}

/** Where the elements of a run lie in rows and columns. */
class Grid {
  readonly columns: number;
  readonly rows: number;
  readonly firstColumn: number;

  constructor({ shape = [], first, elements }: SegmentScope, split: number) {
    this.columns = columnsOf(shape, split);
    this.rows = rowsOf(this.columns, { first, elements });
    this.firstColumn = first % this.columns;
  }

  /** Calls a function for each element, with its index, row and column. */
  walk(elements: number, visit: (i: number, row: number, column: number) => void): void {
    let [row, column] = [0, this.firstColumn];
    for (let i = 0; i < elements; i++) {
      visit(i, row, column);
      if (++column < this.columns) continue;
      column = 0;
      row++;
    }
  }
}

/** Sums and numbers of the sizes on each line. */
class Means {
  readonly sums: Float64Array;
  readonly counts: Float64Array;

  constructor(lines: number) {
    this.sums = new Float64Array(lines);
    this.counts = new Float64Array(lines);
  }

  add(line: number, value: number): void {
    this.sums[line] = (this.sums[line] as number) + value;
    this.counts[line] = (this.counts[line] as number) + 1;
  }

  of(line: number): number {
    const count = this.counts[line] as number;
    return count === 0 ? 0 : (this.sums[line] as number) / count;
  }
}

/**
 * Fits an offset of each column: the mean size in the column, less those of its elements' rows.
 *
 * @param runs runs of whole rows
 */
export function fitColumns(runs: readonly (Run & { readonly sizes: Sizes })[], split: number): Float32Array {
  let columns: Means | undefined;
  for (const { scope, sizes } of runs) {
    const grid = new Grid(scope, split);
    columns ??= new Means(grid.columns);
    const [own, { levels }] = [columns, sizes];
    const rows = new Means(grid.rows);
    grid.walk(levels.length, (i, row) => rows.add(row, levels[i] as number));
    grid.walk(levels.length, (i, row, column) => own.add(column, (levels[i] as number) - rows.of(row)));
  }
  const all = columns as Means;
  return Float32Array.from(all.sums, (_, column) => all.of(column));
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
export function fitLines(scope: SegmentScope, sizes: Sizes, plan: LinePlan): Lines {
  const grid = new Grid(scope, plan.split);
  const { levels, changes } = sizes;
  const rows = new Means(grid.rows);
  const [changedRows, changedColumns] = [new Uint8Array(grid.rows), new Uint8Array(grid.columns)];
  grid.walk(levels.length, (i, row, column) => {
    rows.add(row, (levels[i] as number) - (plan.columns[column] as number));
    if (changes[i] === 0) return;
    changedRows[row] = 1;
    changedColumns[column] = 1;
  });
  const { step, split } = plan;
  const sign = plan.isNew ? 1 : -1;
  const offset = (size: number): number => sign * step * Math.round(size / step);
  const { before } = plan;
  const isRepeated =
    before !== undefined && before.columns.every((column, i) => column !== KEPT || changedColumns[i] === 0);
  return {
    split,
    step,
    isRepeated,
    rows: Int16Array.from(changedRows, (changed, row) => (changed === 0 ? KEPT : offset(rows.of(row)))),
    columns: isRepeated
      ? before.columns
      : Int16Array.from(changedColumns, (changed, column) =>
          changed === 0 ? KEPT : offset(plan.columns[column] as number),
        ),
  };
}
