import { chooseMetric } from '../src/recipe/search/prepare.js';
import type { SweepFolder, TrainedRow } from './sweep-folder.js';
import type { PricedCell } from './sweep-grid.js';

/**
 * Makes the payloads of a finished sweep monotone: a job whose payload does worse on the validation set than
 * that of a smaller budget, of the same kind and seed, gets the smaller one.
 *
 * @param cells jobs of the sweep; those without a payload are left out
 */
export async function keepMonotone(cells: readonly PricedCell[], folder: SweepFolder): Promise<void> {
  /** By kind and seed: the best of the budgets so far. */
  const bests = new Map<string, TrainedRow>();
  for (const cell of [...cells].sort((a, b) => a.budgetBytes - b.budgetBytes)) {
    const key = `${cell.job.kind} ${cell.job.seed}`;
    const [row, best] = [folder.find(cell.file), bests.get(key)];
    if (row === undefined) continue;
    if (best === undefined || !isWorse(row, best)) bests.set(key, row);
    else await folder.keep(cell, takenBy(row, best), await folder.payload(best.file));
  }
}

/** By the metric that a search would choose; rows without metrics are never worse. */
function isWorse(row: TrainedRow, than: TrainedRow): boolean {
  if (Object.keys(row.metrics.diff).length === 0) return false;
  const { name, better } = chooseMetric(undefined, row.metrics.diff);
  const [own, other] = [row, than].map(({ metrics }) => metrics.diff[name] ?? Number.NaN) as [number, number];
  return better === 'higher' ? own < other : own > other;
}

function takenBy(row: TrainedRow, from: TrainedRow): TrainedRow {
  const { kind, budget, budgetBytes, seed, file } = row;
  return { ...from, kind, budget, budgetBytes, seed, file, takenFrom: from.takenFrom ?? from.file };
}
