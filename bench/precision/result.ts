import type { PrecisionTotal } from '../../src/report/precision.js';
import { deviationOf, meanOf } from '../accuracy/result.js';
import type { Unit } from '../common/prepare.js';
import type { Goal } from '../common/report.js';

/** Largest accepted gap on validation data. */
export const MAX_GAP = 0.003;

/** What one task gave with one seed. */
export interface PrecisionResult extends Unit {
  readonly validationExamples: number;
  readonly testExamples: number;
  readonly runs: number;
  /** Of the choice alone, without the test. */
  readonly seconds: number;
  readonly totals: readonly PrecisionTotal[];
}

/** A row of the table: means over the seeds. */
export interface PrecisionRow {
  readonly task: string;
  readonly stored: PrecisionTotal['way'];
  readonly seeds: number;
  readonly bytes: number;
  /** Of the float32 model. */
  readonly share: number;
  /** On validation data, which chose. */
  readonly validationGap: number | null;
  /** The same, of the right class's mean probability. */
  readonly probabilityGap: number | null;
  /** On test data. */
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly gap: number | null;
  /** Seeds with which the contract was kept on validation data. */
  readonly kept: number;
  readonly [column: string]: string | number | null;
}

/** @returns a row for every way of one task */
export function rowsOf(results: readonly PrecisionResult[]): PrecisionRow[] {
  const [first] = results as [PrecisionResult];
  return first.totals.map(({ way }): PrecisionRow => {
    const own = results.map(({ totals }) => totals.find((total) => total.way === way) as PrecisionTotal);
    const whole = results.map(({ totals }) => totals[0] as PrecisionTotal);
    const accuracies = own.map(({ test }) => test?.accuracy.value);
    return {
      task: first.task,
      stored: way,
      seeds: results.length,
      bytes: meanOf(own.map(({ bytes }) => bytes)),
      share: meanOf(own.map(({ bytes }, i) => bytes / (whole[i] as PrecisionTotal).bytes)),
      validationGap: allOf(
        own.map(({ measured }) => measured?.gap.value),
        meanOf,
      ),
      probabilityGap: allOf(
        own.map(({ measured }) => measured?.probabilityGap),
        meanOf,
      ),
      mean: allOf(accuracies, meanOf),
      deviation: allOf(accuracies, deviationOf),
      gap: allOf(
        own.map(({ test }) => test?.gap.value),
        meanOf,
      ),
      kept: own.filter(({ isMet }) => isMet).length,
    };
  });
}

function allOf(
  values: readonly (number | undefined)[],
  combine: (values: readonly number[]) => number,
): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? combine(known) : null;
}

/**
 * @returns bytes of the mixed grids over those of float16 and of int8 for everything, the gap on test data,
 *   and whether every choice kept the contract on the data that chose it
 */
export function goalsOf(rows: readonly PrecisionRow[], results: readonly PrecisionResult[]): Goal[] {
  const [first] = rows as [PrecisionRow];
  const row = (stored: PrecisionRow['stored']) => rows.find((each) => each.stored === stored) as PrecisionRow;
  const [mixed, int8] = [row('mixed'), row('int8')];
  const id = `precision.${first.task}`;
  const worst = Math.max(
    ...results.map(({ totals }) => {
      const { gap, probabilityGap } = totals.find(({ way }) => way === 'mixed')?.measured ?? {};
      return Math.max(gap?.value ?? 1, probabilityGap ?? 1);
    }),
  );
  return [
    { id: `${id}.share`, value: mixed.share, goal: 0.3, better: 'lower' },
    { id: `${id}.gap`, value: mixed.gap, goal: MAX_GAP, better: 'lower' },
    { id: `${id}.worst-validation-gap`, value: worst, goal: MAX_GAP, better: 'lower' },
    { id: `${id}.vs-float16`, value: mixed.bytes / row('float16').bytes, goal: 1, better: 'lower' },
    { id: `${id}.vs-int8`, value: mixed.bytes / int8.bytes, goal: 1, better: 'lower' },
    { id: `${id}.int8-gap`, value: int8.gap, goal: MAX_GAP, better: 'lower' },
  ];
}
