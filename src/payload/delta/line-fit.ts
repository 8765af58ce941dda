import { type ElementForm, levelOf, magnitudeOf } from './elements.js';
import { columnsOf, KEPT, type Lines, rowsOf, type SegmentScope } from './head.js';
import type { ElementPair, SplitElements } from './split-elements.js';

/** A run of elements of one tensor, before and after. */
export interface Run {
  readonly pair: ElementPair;
  readonly scope: SegmentScope;
}

/** How large each element's change is, or the new element: what the contexts of a segment are to predict. */
export class Sizes {
  readonly #pair: ElementPair;
  readonly #split: SplitElements;
  readonly #levels: Uint8Array;

  /** @param split the same run */
  constructor(pair: ElementPair, split: SplitElements) {
    this.#pair = pair;
    this.#split = split;
    this.#levels = levelsOfTokens(pair.base.form);
  }

  get count(): number {
    return this.#split.count;
  }

  /** Whether an element changes: new elements always do. */
  isChanged(i: number): boolean {
    return this.#split.isNew || this.#split.tokens[i] !== 0;
  }

  /** @returns the level of an element; of a change, that of the real difference, not of its steps */
  levelAt(i: number): number {
    const { base, next } = this.#pair;
    const { fraction, sign } = base.form;
    if (this.#split.isNew) return levelOf(magnitudeOf(next.words[i] as number, next.form), fraction);
    const exponent = sign === 0 ? 0 : ((base.words[i] as number) & (sign - 1)) >>> fraction;
    return (this.#levels[this.#split.tokens[i] as number] as number) + 2 * Math.max(1, exponent);
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

/** Elements of a row from which its mean is taken, or a few more. */
const SAMPLED = 128;

/** @returns the distance of the elements from which a row's mean is taken */
function strideOf(length: number): number {
  return Math.max(1, Math.floor(length / SAMPLED));
}

/** Fits an offset of each column: the mean size in the column, less those of its elements' rows. */
export function fitColumns(scope: SegmentScope, sizes: Sizes, split: number): Float32Array {
  const grid = new Grid(scope, split);
  const [sums, counts] = [new Float64Array(grid.columns), new Float64Array(grid.columns)];
  grid.walk(sizes.count, ({ start, end, column: first }) => {
    const stride = strideOf(end - start);
    let [sum, taken] = [0, 0];
    for (let i = start; i < end; i += stride, taken++) sum += sizes.levelAt(i);
    const mean = sum / taken;
    for (let i = start, column = first; i < end; i++, column++) {
      sums[column] = (sums[column] as number) + sizes.levelAt(i) - mean;
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
export function fitLines(scope: SegmentScope, sizes: Sizes, plan: LinePlan): Lines {
  const { step, split, columns, before } = plan;
  const grid = new Grid(scope, split);
  const rows = new Int16Array(grid.rows);
  const changed = new Uint8Array(grid.columns);
  const sign = plan.isNew ? 1 : -1;
  const offset = (size: number): number => sign * step * Math.round(size / step);
  grid.walk(sizes.count, ({ row, start, end, column: first }) => {
    let isChanged = false;
    for (let i = start, column = first; i < end; i++, column++) {
      if (!sizes.isChanged(i)) continue;
      isChanged = true;
      changed[column] = 1;
    }
    rows[row] = isChanged ? offset(meanOf(sizes, { start, end, column: first }, columns)) : KEPT;
  });
  const isRepeated = before?.columns.every((column, i) => column !== KEPT || changed[i] === 0) === true;
  const own = (): Int16Array =>
    Int16Array.from(changed, (some, column) => (some === 0 ? KEPT : offset(columns[column] as number)));
  return { split, step, isRepeated, rows, columns: before && isRepeated ? before.columns : own() };
}

/** @returns the mean size of some elements of a row, less their columns */
function meanOf(
  sizes: Sizes,
  { start, end, column: first }: Omit<Row, 'row'>,
  columns: Float32Array,
): number {
  const stride = strideOf(end - start);
  let [sum, taken] = [0, 0];
  for (let i = start; i < end; i += stride, taken++)
    sum += sizes.levelAt(i) - (columns[first + i - start] as number);
  return sum / taken;
}
