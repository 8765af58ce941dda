import { bdRate, type RatePoint } from '../common/bd-rate.js';
import type { Unit } from '../common/prepare.js';
import type { Flips } from './hits.js';
import { intervalOf } from './hits.js';

/** One method at one budget, measured with one seed. */
export interface Point {
  readonly method: string;
  /** Budget as a share of the float32 model; null for methods that have a size of their own. */
  readonly percent: number | null;
  readonly isOurs: boolean;
  /** Null where the budget cannot be met. */
  readonly bytes: number | null;
  readonly accuracy: number | null;
  readonly flips: Flips | null;
  /** Of training and measuring. */
  readonly seconds: number;
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
  /** Of the float32 model, in percent; null for sizes of their own. */
  readonly percent: number | null;
  readonly seeds: number;
  /** Test examples of a seed. */
  readonly tests: number;
  readonly bytes: number | null;
  readonly share: number | null;
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly gap: number | null;
  /** Half of the 95 % interval of the gap; see `intervalOf`. */
  readonly 'gap ±': number | null;
  /** Bjøntegaard delta-rate of the method, all its budgets, against hash diffs; see `bdRate`. */
  readonly 'rate vs hash': number | null;
  readonly seconds: number | null;
  readonly note: string;
  readonly [column: string]: string | number | null;
}

type Measured = Pick<Point, 'seconds'> & { bytes: number; accuracy: number; full: number; flips: Flips };

/** @returns a row for base, full fine-tune, and every method and budget of one task */
export function rowsOf(results: readonly UnitResult[]): AccuracyRow[] {
  const [first] = results as [UnitResult];
  const whole = 4 * first.weights;
  const plain = { task: first.task, method: '', ...EMPTY, seeds: results.length, tests: first.tests };
  const ends = (['base', 'full'] as const).map((end): AccuracyRow => {
    const accuracies = results.map((each) => each[end]);
    const [mean, deviation] = [meanOf(accuracies), deviationOf(accuracies)];
    const gap = meanOf(results.map((each) => each.full - each[end]));
    if (end === 'base') return { ...plain, method: 'base', bytes: 0, share: 0, mean, deviation, gap };
    const note = results.map((each) => `seed ${each.seed}: ${each.tuning}`).join('; ');
    return { ...plain, method: 'full fine-tune', bytes: whole, share: 1, mean, deviation, gap, note };
  });
  const others = first.points.map(({ method, percent }, i): AccuracyRow => {
    const measured = results.flatMap(({ points, full }): Measured[] => {
      const { bytes, accuracy, flips, seconds } = points[i] as Point;
      return bytes === null || accuracy === null || flips === null
        ? []
        : [{ bytes, accuracy, flips, seconds, full }];
    });
    const note = percent === null ? 'size of its own' : `budget ${percent} %`;
    const row = { ...plain, method, percent, seeds: measured.length, note };
    return measured.length === 0 ? row : { ...row, ...meansOf(measured, { whole, tests: first.tests }) };
  });
  const hash = curveOf(others, ({ method }) => method === 'hash');
  const rated = others.map((row) => ({
    ...row,
    'rate vs hash': row.method === 'hash' ? null : bdRate(hash, curveOf(others, isOf(row.method))),
  }));
  return [...ends, ...rated];
}

const EMPTY = {
  percent: null,
  bytes: null,
  share: null,
  mean: null,
  deviation: null,
  gap: null,
  'gap ±': null,
  'rate vs hash': null,
  seconds: null,
  note: '',
} as const;

function meansOf(points: readonly Measured[], { whole, tests }: { whole: number; tests: number }) {
  const accuracies = points.map(({ accuracy }) => accuracy);
  const bytes = meanOf(points.map((point) => point.bytes));
  return {
    bytes,
    share: bytes / whole,
    mean: meanOf(accuracies),
    deviation: deviationOf(accuracies),
    gap: meanOf(points.map(({ accuracy, full }) => full - accuracy)),
    'gap ±': intervalOf(
      points.map(({ flips }) => flips),
      tests,
    ),
    seconds: meanOf(points.map(({ seconds }) => seconds)),
  };
}

/** @returns whether a row is of a method */
function isOf(method: string): (row: AccuracyRow) => boolean {
  return (row) => row.method === method;
}

/** @returns bytes and mean accuracy of some rows, without those that no seed could meet */
export function curveOf(rows: readonly AccuracyRow[], isTaken: (row: AccuracyRow) => boolean): RatePoint[] {
  return rows.flatMap((row) =>
    isTaken(row) && row.bytes !== null && row.mean !== null && row.bytes > 0
      ? [{ bytes: row.bytes, accuracy: row.mean }]
      : [],
  );
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
