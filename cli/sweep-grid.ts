import { normalize } from 'node:path';
import type { TrainingJob } from '../src/recipe/job.js';
import { DIFF_KINDS, type DiffKind } from '../src/recipe/options.js';
import type { Outcome } from '../src/recipe/sweep/train-many.js';
import type { Flags, FlagsOf } from './command.js';
import { summarise } from './exit-codes.js';
import { alignColumns, formatShare } from './io.js';
import type { JobFacts, Row, Settings, TrainedRow } from './sweep-folder.js';
import { baseOf, optionsOf, type TrainingFlags } from './training.js';
import { readList } from './values.js';

/** Flags of the grid, each a list with commas. */
export const GRID_FLAGS = {
  kinds: {
    type: 'string',
    placeholder: 'kinds',
    isRequired: true,
    description: 'Kinds, separated by commas: hash,sparse',
  },
  budgets: {
    type: 'string',
    placeholder: 'sizes',
    isRequired: true,
    description: 'Budgets, separated by commas: 0.25%,20kB,20000',
  },
  seeds: {
    type: 'string',
    placeholder: 'list',
    description: 'Seeds, separated by commas; default: one, derived from the base',
  },
} as const satisfies Flags;

type GridFlags = TrainingFlags & FlagsOf<typeof GRID_FLAGS>;

/** A job of a sweep, and the payload file that it makes. */
export interface Cell {
  readonly job: TrainingJob & { readonly budget: string; readonly seed: number };
  /** A name that is safe on any disk: `hash-0.5pct-seed1.ndiff`. */
  readonly file: string;
}

/**
 * Lists every combination of kinds, budgets and seeds, by seed first: jobs of a seed share a fine-tune.
 *
 * @param freshSeed the only one unless the flags name seeds
 * @throws RangeError for an empty list, an unknown kind, a seed that is not a number, a repeated combination
 */
export function listCells(flags: GridFlags, freshSeed: number): Cell[] {
  const kinds = readList('kinds', flags.kinds).map(kindOf);
  const budgets = readList('budgets', flags.budgets);
  const seeds = flags.seeds === undefined ? [freshSeed] : readList('seeds', flags.seeds).map(seedOf);
  const { recipe, backend, full } = flags;
  const base = baseOf(flags);
  const cells = seeds.flatMap((seed) =>
    kinds.flatMap((kind) =>
      budgets.map((budget) => ({
        job: { kind, ...base, full, recipe, budget, seed, backend, options: optionsOf(flags) },
        file: fileOf(kind, budget, seed),
      })),
    ),
  );
  const files = cells.map(({ file }) => file);
  const twice = files.find((file, i) => files.indexOf(file) !== i);
  if (twice) throw new RangeError(`Cannot sweep: expected every combination once, got "${twice}" twice`);
  return cells;
}

function kindOf(text: string): DiffKind {
  const kind = DIFF_KINDS.find((known) => known === text);
  if (kind) return kind;
  throw new RangeError(`Cannot use kind "${text}": expected one of ${DIFF_KINDS.join(', ')}`);
}

function seedOf(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new RangeError(`Cannot use seed "${text}": expected a whole number from 0 to 2^32 - 1`);
}

/** @returns the name of a job's payload file */
export function fileOf(kind: string, budget: string, seed: number): string {
  const safe = budget.toLowerCase().replaceAll('%', 'pct').replaceAll(/\s+/g, '');
  return `${kind}-${safe}-seed${seed}.ndiff`;
}

/** A cell with its budget in bytes. */
export interface PricedCell extends Cell {
  readonly budgetBytes: number;
}

/** @returns the settings that all jobs share */
export function settingsOf(flags: TrainingFlags, base: string): Settings {
  const { recipe, backend, epochs, batchSize, learningRate } = flags;
  const { only, freeze } = optionsOf(flags);
  const full = flags.full === undefined ? undefined : normalize(flags.full);
  return { base, recipe: normalize(recipe), backend, full, epochs, batchSize, learningRate, only, freeze };
}

/** @returns the facts of a row's job */
export function factsOf({ job, budgetBytes }: PricedCell): JobFacts {
  return { kind: job.kind, budget: job.budget, budgetBytes, seed: job.seed };
}

/** @returns the row of a job that has ended */
export function rowOf(cell: PricedCell, outcome: Outcome): Row {
  if (outcome.status === 'failed') {
    const { code, message, facts } = summarise(outcome.error);
    return { ...factsOf(cell), error: { code, message, ...(facts && { facts }) } };
  }
  const { payload, share, base, next, metrics, validationExamples } = outcome.diff;
  const found = { payloadBytes: payload.length, share, base, next, metrics, validationExamples };
  return { ...factsOf(cell), file: cell.file, ...found };
}

/** @returns rows for people: a table of what was trained, then what failed and why */
export function formatRows(rows: readonly Row[]): string[] {
  const trained = rows.filter((row) => 'file' in row);
  const failed = rows.filter((row) => 'error' in row);
  const metric = metricOf(trained);
  const head = ['kind', 'budget', 'seed', 'bytes', 'share', ...(metric ? ['base', 'full', metric] : [])];
  const cells = trained.map(({ kind, budget, seed, payloadBytes, share, metrics }) => [
    ...[kind, budget, String(seed), String(payloadBytes), formatShare(share)],
    ...(metric ? [metrics.base, metrics.full, metrics.diff].map((of) => of[metric]?.toFixed(4) ?? '') : []),
  ]);
  return [
    ...(trained.length > 0 ? alignColumns([head, ...cells]) : []),
    ...(metric ? [meaningOf(metric, trained)] : []),
    ...trained.flatMap(({ file, takenFrom }) =>
      takenFrom === undefined ? [] : `${file} is ${takenFrom}: its own payload did worse`,
    ),
    ...failed.map(
      ({ kind, budget, seed, error }) =>
        `failed: ${kind} ${budget} seed ${seed}: ${error.message} (${error.code})`,
    ),
  ];
}

/** @returns which models and examples the last columns are of */
function meaningOf(metric: string, rows: readonly TrainedRow[]): string {
  const examples = rows[0]?.validationExamples ?? 0;
  const on = `${examples > 0 ? `${examples} ` : ''}validation examples`;
  return `${metric} on ${on}: of the base, of the full fine-tune, of the payload`;
}

/** The recipe's first metric, else the loss. */
function metricOf(rows: readonly TrainedRow[]): string | undefined {
  const names = Object.keys(rows[0]?.metrics.diff ?? {});
  return names.find((name) => name !== 'loss') ?? names[0];
}
