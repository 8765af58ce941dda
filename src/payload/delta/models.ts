import { rangeOf, topOf } from './context-range.js';
import { sumLevels } from './decoder.js';
import { columnsOf, KEPT, type Lines, MAX_COLUMNS, type SegmentScope } from './head.js';
import { fitColumns, fitLines, type Run, Sizes } from './line-fit.js';
import { SplitElements, shortenPair } from './split-elements.js';
import { chooseTables, createCounts } from './tables.js';

/** How the segments of a tensor are coded. */
export interface TensorModel {
  readonly isNew: boolean;
  readonly isBased: boolean;
  /** Offsets of rows and columns, where contexts depend on them. */
  readonly lines?: { readonly split: number; readonly step: number } | undefined;
}

/** A model and what a sample takes with it. */
export interface ChosenModel {
  readonly model: TensorModel;
  /** Estimated bits of the sample. */
  readonly bits: number;
}

/** Steps of offsets, in levels, that are tried. */
const STEPS = { differences: [1, 2], new: [2, 4] } as const;

/** New elements are tried with offsets only where differences do not save so much. */
const CLEAR_SAVING = 0.9;

/**
 * Chooses how the segments of a tensor are coded, by what a sample of it takes.
 *
 * @param runs parts of the tensor, whole rows each; of several tensors, they have no shape
 */
export function chooseModel(runs: readonly Run[]): ChosenModel {
  const changes = new Trial(runs, false);
  const differences = changes.best(changes.tryModel({ isNew: false, isBased: true }));
  const elements = new Trial(runs, true);
  const plain = elements.tryModel({ isNew: true, isBased: false });
  if (differences.bits < CLEAR_SAVING * plain.bits) return differences;
  const others = elements.best(plain);
  return others.bits < differences.bits ? others : differences;
}

/** A run with its sizes and the columns fitted to them. */
interface SizedRun extends Run {
  readonly sizes: Sizes;
  readonly columns: Float32Array;
}

/** Tries models of differences, or of new elements, on runs. */
class Trial {
  readonly #runs: readonly Run[];
  readonly #isNew: boolean;
  readonly #splits: readonly SplitElements[];
  readonly #counts = createCounts();
  readonly #rawBits: number;

  constructor(runs: readonly Run[], isNew: boolean) {
    this.#runs = runs.map(({ pair, scope }) => {
      const short = shortenPair(pair, isNew);
      return { pair: short, scope: { ...scope, form: short.base.form } };
    });
    this.#isNew = isNew;
    this.#splits = this.#runs.map(({ pair }) => {
      const split = new SplitElements(pair.base.words.length);
      split.split(pair, { isNew, top: topOf(pair.next, isNew) });
      return split;
    });
    this.#rawBits = this.#splits.reduce((sum, { rawBytes }) => sum + 8 * rawBytes, 0);
  }

  /** @returns the best of the model without offsets and those with them */
  best(plain: ChosenModel): ChosenModel {
    const { pair, scope } = this.#runs[0] as Run;
    const splits = splitsOf(scope);
    if (splits.length === 0) return plain;
    const isNew = this.#isNew;
    const isBased = !isNew && pair.base.form.sign !== 0;
    const runs = this.#runs.map((run, i) => {
      return { ...run, sizes: new Sizes(run.pair, this.#splits[i] as SplitElements) };
    });
    let best = plain;
    for (const split of splits) {
      const columns = runs.map(({ scope, sizes }) => fitColumns(scope, sizes, split));
      for (const step of isNew ? STEPS.new : STEPS.differences) {
        const sized = runs.map((run, i) => ({ ...run, columns: columns[i] as Float32Array }));
        const chosen = this.tryModel({ isNew, isBased, lines: { split, step } }, sized);
        if (chosen.bits < best.bits) best = chosen;
      }
    }
    return best;
  }

  tryModel(model: TensorModel, runs: readonly (Run | SizedRun)[] = this.#runs): ChosenModel {
    const { isBased } = model;
    let bits = this.#rawBits;
    runs.forEach((run, i) => {
      const { pair, scope } = run;
      const lines =
        model.lines && 'sizes' in run
          ? fitLines(scope, run.sizes, { ...model.lines, isNew: this.#isNew, columns: run.columns })
          : undefined;
      const sums = new Int16Array(pair.base.words.length);
      sumLevels(pair.base, { isBased, lines, scope, first: scope.first }, sums);
      const range = rangeOf(sums);
      (this.#splits[i] as SplitElements).place(sums, range, this.#counts);
      bits += chooseTables(this.#counts, range.contexts).bits + (lines ? lineBits(lines) : 0);
    });
    return { model, bits };
  }
}

/** @returns estimated bits of offsets: two and a half for each line that is not kept */
function lineBits({ rows, columns, isRepeated }: Lines): number {
  const bitsOf = (offsets: Int16Array): number =>
    offsets.reduce((sum, offset) => sum + (offset === KEPT ? 0.5 : 2.5), 0);
  return bitsOf(rows) + (isRepeated ? 0 : bitsOf(columns));
}

/** @returns the splits into rows and columns that are tried */
function splitsOf({ shape }: SegmentScope): number[] {
  if (shape === undefined || shape.length < 2) return [];
  const total = columnsOf(shape, 0);
  const candidates = new Set([1, shape.length - 1]);
  return [...candidates].filter((split) => {
    const columns = columnsOf(shape, split);
    const rows = total / columns;
    return rows > 1 && columns > 1 && columns <= Math.min(MAX_COLUMNS, total / 4) && rows <= total / 4;
  });
}
