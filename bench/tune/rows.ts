import { deviationOf, meanOf } from '../accuracy/result.js';
import type { Goal } from '../common/report.js';
import type { TuneUnitResult } from './result.js';

/** A row of the table: means over the seeds. */
export interface TuneRow {
  readonly task: string;
  readonly method: string;
  /** Whole trials. */
  readonly trials: number;
  readonly seeds: number;
  /**
   * Behind the full fine-tune: the smallest on validation data, what was chosen there, and what was chosen on
   * test data.
   */
  readonly least: number;
  readonly gap: number;
  readonly 'test gap': number;
  readonly 'test deviation': number | null;
  /** Of training. */
  readonly seconds: number;
  readonly [column: string]: string | number | null;
}

type Pick = (of: TuneUnitResult) => One | undefined;

/** What a method found, of one seed. */
interface One {
  readonly least: number;
  readonly gap: number;
  readonly testAccuracy: number;
  readonly seconds: number;
}

/** @returns a row for each task, method and number of trials */
export function rowsOf(results: readonly TuneUnitResult[], known: readonly TuneUnitResult[]): TuneRow[] {
  const tasks = [...new Set(results.map(({ task }) => task))];
  return tasks.flatMap((task) => {
    const [own, knowing] = [results, known].map((all) => all.filter((each) => each.task === task));
    if (own === undefined || knowing === undefined) return [];
    const counts = own[0]?.searched.map(({ most }) => most) ?? [];
    const row = (method: string, trials: number, pick: Pick) => rowOf(own, { task, method, trials, pick });
    const knowingRow = { method: 'tune, knowing other searches', trials: counts[0] ?? 0 };
    return [
      row('train auto', 2, ({ defaults }) => ({
        ...defaults,
        least: defaults.gap,
        seconds: 2 * defaults.seconds,
      })),
      ...counts.map((most, i) => row('random search', most, ({ random }) => random[i])),
      ...counts.map((most, i) => row('tune', most, ({ searched }) => searched[i])),
      rowOf(knowing, { task, ...knowingRow, pick: ({ searched }) => searched[0] }),
    ];
  });
}

function rowOf(
  results: readonly TuneUnitResult[],
  { task, method, trials, pick }: { task: string; method: string; trials: number; pick: Pick },
): TuneRow {
  const found = results.map((each) => ({ ...(pick(each) as One), full: each.fullTest }));
  const gaps = found.map(({ full, testAccuracy }) => full - testAccuracy);
  return {
    task,
    method,
    trials,
    seeds: found.length,
    least: meanOf(found.map(({ least }) => least)),
    gap: meanOf(found.map(({ gap }) => gap)),
    'test gap': meanOf(gaps),
    'test deviation': gaps.length > 1 ? deviationOf(gaps) : null,
    seconds: meanOf(found.map(({ seconds }) => seconds)),
  };
}

/** Least rank correlation of forecasts with measurements. */
const CORRELATIONS = { bytes: 0.8, applyMilliseconds: 0.8, gap: 0.6 } as const;

/**
 * @returns the goals: gaps after each number of trials, the smallest on validation data and that of the
 *   choice on test data, to be below those of random search; correlations
 */
export function goalsOf(rows: readonly TuneRow[], results: readonly TuneUnitResult[]): Goal[] {
  const gaps = rows
    .filter(({ method }) => method === 'tune')
    .flatMap(({ task, trials, ...tuned }): Goal[] => {
      const random = rows.find(
        (row) => row.task === task && row.method === 'random search' && row.trials === trials,
      );
      return (['least', 'test gap'] as const).map((column): Goal => {
        const id = `tune.${task}.${column.replace(' ', '-')}-after-${trials}`;
        return { id, value: tuned[column], goal: random?.[column] as number, better: 'lower' };
      });
    });
  const correlations = Object.entries(CORRELATIONS).map(([name, goal]): Goal => {
    const known = results.map((each) => each.correlations[name]).filter((value) => value !== undefined);
    const value = known.length === 0 ? null : meanOf(known);
    return { id: `tune.rank-correlation.${name}`, value, goal, better: 'higher' };
  });
  return [...gaps, ...correlations];
}
