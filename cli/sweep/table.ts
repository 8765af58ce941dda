import { alignColumns, formatShare } from '../io.js';
import type { Row, TrainedRow } from './results.js';

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
    ...failed.map(
      ({ kind, budget, seed, error }) =>
        `failed: ${kind} ${budget} seed ${seed}: ${error.message} (${error.code})`,
    ),
  ];
}

/** The recipe's first metric, else the loss. */
function metricOf(rows: readonly TrainedRow[]): string | undefined {
  const names = Object.keys(rows[0]?.metrics.diff ?? {});
  return names.find((name) => name !== 'loss') ?? names[0];
}
