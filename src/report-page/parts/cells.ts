import type { Estimate } from '../../report/index.js';
import { DASH, formatInterval, formatPercent, formatPointsNumber } from '../format.js';
import type { Series } from '../series.js';

/** What a table's cell shows. */
export interface Cell {
  readonly text: string;
  /** A second, quieter line. */
  readonly note?: string;
  /** What rows are sorted by; the text without it. */
  readonly order?: number;
  /** The look that the thing has in charts. */
  readonly series?: Series;
  /** Shown as a mark and a colour beside the text. */
  readonly verdict?: 'good' | 'bad';
}

/** A column's heading. */
export interface Column {
  readonly title: string;
  /** Of what kind its values are; numbers stand right. */
  readonly kind: 'text' | 'number';
}

/** @returns columns of text and of numbers; a `#` before the title makes it one of numbers */
export function columnsOf(...titles: readonly string[]): Column[] {
  return titles.map((title) =>
    title.startsWith('#') ? { title: title.slice(1), kind: 'number' } : { title, kind: 'text' },
  );
}

/** @returns a cell of text */
export function textCell(text: string | undefined): Cell {
  return { text: text ?? DASH };
}

/** @returns a cell of a number; a dash where it was not measured */
export function numberCell(value: number | undefined, format: (value: number) => string): Cell {
  return value === undefined ? { text: DASH } : { text: format(value), order: value };
}

/** @returns a cell of a name, with the look that it has in charts */
export function seriesCell(series: Series): Cell {
  return { text: series.name, series };
}

/** @returns an accuracy and, below it, its interval */
export function accuracyCell(estimate: Estimate | undefined): Cell {
  if (estimate === undefined) return { text: DASH };
  return { text: formatPercent(estimate.value), note: formatInterval(estimate), order: estimate.value };
}

/** @returns a difference in points and, below it, its interval */
export function pointsCell(estimate: Estimate | undefined): Cell {
  if (estimate === undefined) return { text: DASH };
  return { text: formatPointsNumber(estimate.value), note: formatInterval(estimate), order: estimate.value };
}

/** @returns whether something holds, as a word and a mark */
export function verdictCell(isGood: boolean, words: { good: string; bad: string }): Cell {
  return isGood ? { text: words.good, verdict: 'good' } : { text: words.bad, verdict: 'bad' };
}
