import type { Unit } from '../common/prepare.js';
import type { Goal } from '../common/report.js';

/** One method at one budget, measured with one seed. */
export interface Point {
  readonly method: string;
  /** Budget as a share of the float32 model; null for methods that have a size of their own. */
  readonly percent: number | null;
  readonly isOurs: boolean;
  /** Null where the budget cannot be met. */
  readonly bytes: number | null;
  readonly accuracy: number | null;
}

/** What one task gave with one seed. */
export interface UnitResult extends Unit {
  readonly weights: number;
  /** Examples of the test set. */
  readonly tests: number;
  readonly base: number;
  readonly full: number;
  readonly tuning: string;
  readonly points: readonly Point[];
}

/** A row of the table: means over the seeds. */
export interface AccuracyRow {
  readonly task: string;
  readonly method: string;
  readonly seeds: number;
  readonly bytes: number | null;
  readonly share: number | null;
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly gap: number | null;
  readonly note: string;
  readonly [column: string]: string | number | null;
}

/** @returns a row for base, full fine-tune, and every method and budget of one task */
export function rowsOf(results: readonly UnitResult[]): AccuracyRow[] {
  const [first] = results as [UnitResult];
  const whole = 4 * first.weights;
  const row = (
    method: string,
    points: readonly { bytes: number; accuracy: number; full: number }[],
    note = '',
  ) => {
    const accuracies = points.map(({ accuracy }) => accuracy);
    const bytes = meanOf(points.map((point) => point.bytes));
    const gap = meanOf(points.map(({ accuracy, full }) => full - accuracy));
    const facts = { task: first.task, method, seeds: points.length };
    if (points.length === 0)
      return { ...facts, bytes: null, share: null, mean: null, deviation: null, gap: null, note };
    return {
      ...facts,
      bytes,
      share: bytes / whole,
      mean: meanOf(accuracies),
      deviation: deviationOf(accuracies),
      gap,
      note,
    };
  };
  const base = row(
    'base',
    results.map((each) => ({ bytes: 0, accuracy: each.base, full: each.full })),
    `${first.tests} tests`,
  );
  const tuning = results.map((each) => `seed ${each.seed}: ${each.tuning}`).join('; ');
  const full = row(
    'full fine-tune',
    results.map((each) => ({ bytes: whole, accuracy: each.full, full: each.full })),
    tuning,
  );
  const others = first.points.map((point, i) => {
    const measured = results.flatMap(({ points, full: reference }) => {
      const { bytes, accuracy } = points[i] as Point;
      return bytes === null || accuracy === null ? [] : [{ bytes, accuracy, full: reference }];
    });
    return row(
      point.method,
      measured,
      point.percent === null ? 'size of its own' : `budget ${point.percent} %`,
    );
  });
  return [base, full, ...others];
}

/** What `METHODS.md` sets out to reach: the share at which the gap must be no larger, by gap in points. */
const SHARES = { '0.3': 0.005, '1': 0.003, '2': 0.002 } as const;

/** @returns the goals of one task */
export function goalsOf(rows: readonly AccuracyRow[], results: readonly UnitResult[]): Goal[] {
  const [{ task, points }] = results as [UnitResult];
  const ours = new Set(points.filter(({ isOurs }) => isOurs).map(({ method }) => method));
  const shares = Object.entries(SHARES).map(([gap, goal]): Goal => {
    const within = rows.filter(
      (row) => ours.has(row.method) && (row.gap as number) <= Number(gap) / 100 + 1e-9,
    );
    const least = within.length === 0 ? null : Math.min(...within.map((row) => row.share as number));
    return { id: `accuracy.${task}.share-at-gap-${gap}`, value: least, goal, better: 'lower' };
  });
  const bestOf = (isOurs: boolean): number =>
    Math.max(
      ...rows
        .filter(
          (row) =>
            row.share !== null &&
            row.share <= 0.005 &&
            ours.has(row.method) === isOurs &&
            !['base', 'full fine-tune'].includes(row.method),
        )
        .map((row) => row.mean as number),
    );
  const [base, full] = rows as [AccuracyRow, AccuracyRow];
  return [
    ...shares,
    { id: `accuracy.${task}.full`, value: full.mean, goal: base.mean as number, better: 'higher' },
    { id: `accuracy.${task}.lead-at-0.5`, value: bestOf(true) - bestOf(false), goal: 0, better: 'higher' },
  ];
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @returns the standard deviation of a sample; 0 for one value */
export function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
