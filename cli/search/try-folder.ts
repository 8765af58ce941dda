import type { TrainingJob } from '../../src/recipe/job.js';
import type { DiffKind } from '../../src/recipe/options.js';
import type { PlannedTry } from '../../src/recipe/search/plan.js';
import type { Search } from '../../src/recipe/search/prepare.js';
import type { TryStore } from '../../src/recipe/search/search-diff.js';

import { fileOf } from '../sweep/grid.js';
import type { SweepFolder } from '../sweep/results.js';
import { type PricedCell, rowOf } from '../sweep/rows.js';

/**
 * Keeps the tries of a search in a folder, as a sweep keeps its jobs.
 *
 * @param job what all tries share
 */
export function keepTriesIn(
  folder: SweepFolder,
  job: Search['job'] & Required<Pick<TrainingJob, 'seed'>>,
): TryStore {
  const cellOf = ({ kind, budgetBytes }: PlannedTry<DiffKind>): PricedCell => {
    const budget = String(budgetBytes);
    const seed = job.seed as number;
    return { job: { ...job, seed, kind, budget }, file: fileOf(kind, budget, seed), budgetBytes };
  };
  return {
    async find(planned) {
      return folder.find(cellOf(planned).file);
    },
    async keep(planned, outcome) {
      const cell = cellOf(planned);
      const payload = outcome.status === 'trained' ? outcome.diff.payload : undefined;
      await folder.keep(cell, rowOf(cell, outcome), payload);
    },
    payload: (planned) => folder.payload(cellOf(planned).file),
  };
}
