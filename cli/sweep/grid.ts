import type { TrainingJob } from '../../src/recipe/job.js';
import { DIFF_KINDS, type DiffKind } from '../../src/recipe/options.js';

import { baseOf, listOf, optionsOf, type TrainingFlags } from '../training.js';

/** Flags that span the grid, each a list with commas. */
export interface GridFlags extends TrainingFlags {
  readonly kinds: string;
  readonly budgets: string;
  readonly seeds?: string;
}

/** A job of a sweep, and the payload file that it gives. */
export interface Cell {
  readonly job: TrainingJob & { readonly budget: string; readonly seed: number };
  /** A name that is safe on any disk: `hash-0.5pct-seed1.ndiff`. */
  readonly file: string;
}

/**
 * Lists every combination of kinds, budgets and seeds, seeds outermost: jobs of one seed share a full fine-tune.
 *
 * @param freshSeed the only one unless the flags name seeds
 * @throws RangeError for an empty list, an unknown kind, a seed that is no number, or a combination that comes twice
 */
export function listCells(flags: GridFlags, freshSeed: number): Cell[] {
  const kinds = listOf('kinds', flags.kinds).map(kindOf);
  const budgets = listOf('budgets', flags.budgets);
  const seeds = flags.seeds === undefined ? [freshSeed] : listOf('seeds', flags.seeds).map(seedOf);
  const { recipe, backend } = flags;
  const base = baseOf(flags);
  const cells = seeds.flatMap((seed) =>
    kinds.flatMap((kind) =>
      budgets.map((budget) => ({
        job: { kind, ...base, recipe, budget, seed, backend, options: optionsOf(flags) },
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
