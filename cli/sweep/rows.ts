import { normalize } from 'node:path';
import type { Outcome } from '../../src/recipe/sweep/train-many.js';
import { summarise } from '../exit-codes.js';
import type { TrainingFlags } from '../training.js';
import type { Cell } from './grid.js';
import type { JobFacts, Row, Settings } from './results.js';

/** A cell with what its budget comes to. */
export interface PricedCell extends Cell {
  readonly budgetBytes: number;
}

/** @returns what all jobs of the flags share */
export function settingsOf(flags: TrainingFlags, base: string): Settings {
  const { recipe, backend, epochs, batchSize, learningRate } = flags;
  return { base, recipe: normalize(recipe), backend, epochs, batchSize, learningRate };
}

/** @returns what a row says of its job */
export function factsOf({ job, budgetBytes }: PricedCell): JobFacts {
  return { kind: job.kind, budget: job.budget, budgetBytes, seed: job.seed };
}

/** @returns the row of a job that has ended */
export function rowOf(cell: PricedCell, outcome: Outcome): Row {
  if (outcome.status === 'failed') {
    const { code, message, facts } = summarise(outcome.error);
    return { ...factsOf(cell), error: { code, message, ...(facts && { facts }) } };
  }
  const { payload, share, base, next, metrics } = outcome.diff;
  return { ...factsOf(cell), file: cell.file, payloadBytes: payload.length, share, base, next, metrics };
}
