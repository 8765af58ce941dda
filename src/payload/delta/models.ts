import { rangeOf, topOf } from './context-range.js';
import { sumLevels } from './decoder.js';
import { Tokens } from './encoder.js';
import { columnsOf, KEPT, type Lines, MAX_COLUMNS, type SegmentScope } from './head.js';
import { fitColumns, fitLines, type Run, Sizes } from './line-fit.js';
import { chooseTables, createCounts } from './tables.js';

/** How the segments of a tensor are coded. */
export interface TensorModel {
  readonly isNew: boolean;
  readonly isBased: boolean;
  /** Offsets of rows and columns, where contexts depend on them. */
  readonly lines?: { readonly split: number; readonly step: number; readonly columns: Float32Array } | undefined;
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
  const trial = new Trial(runs);
  const differences = trial.best(trial.tryModel({ isNew: false, isBased: true }));
  const plain = trial.tryModel({ isNew: true, isBased: false });
  if (differences.bits < CLEAR_SAVING * plain.bits) return differences;
  const others = trial.best(plain);
  return others.bits < differences.bits ? others : differences;
}

/** Tries models on the runs. */
class Trial {
  readonly #runs: readonly Run[];
  readonly #tokens = new Tokens();
  readonly #counts = createCounts();

  constructor(runs: readonly Run[]) {
    this.#runs = runs;
  }

  /** @returns the best of the model without offsets, which has been tried, and those with them */
  best(plain: ChosenModel): ChosenModel {
    const { isNew } = plain.model;
    const { pair, scope } = this.#runs[0] as Run;
    const splits = splitsOf(scope);
    if (splits.length === 0) return plain;
    let best = plain;
    const runs = this.#runs.map((run) => ({ ...run, sizes: new Sizes(run.pair, isNew) }));
    for (const split of splits) {
      const columns = fitColumns(runs, split);
      for (const step of isNew ? STEPS.new : STEPS.differences) {
        const isBased = !isNew && pair.base.form.sign !== 0;
        const chosen = this.tryModel({ isNew, isBased, lines: { split, step, columns } }, runs);
        if (chosen.bits < best.bits) best = chosen;
      }
    }
    return best;
  }

  tryModel(model: TensorModel, runs: readonly (Run & { readonly sizes?: Sizes })[] = this.#runs): ChosenModel {
    const { isNew, isBased } = model;
    let bits = 0;
    for (const { pair, scope, sizes } of runs) {
      const lines = model.lines && sizes && fitLines(scope, sizes, { ...model.lines, isNew });
      const sums = new Int16Array(pair.base.words.length);
      sumLevels(pair.base, { isBased, lines, scope, first: scope.first }, sums);
      const range = rangeOf(sums);
      this.#tokens.split(pair, { isNew, top: topOf(pair.next, isNew) });
      this.#tokens.place(sums, range, this.#counts);
      bits += chooseTables(this.#counts, range.contexts).bits + 8 * this.#tokens.raw.length;
      if (lines) bits += lineBits(lines);
    }
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
