import type { TrendRow } from '../../report/index.js';
import {
  formatLimited,
  formatNumber,
  formatPercent,
  formatPoints,
  formatPointsNumber,
  formatSeconds,
  formatShare,
} from '../format.js';
import { type Cell, columnsOf, numberCell, textCell } from '../parts/cells.js';
import type { Section } from '../parts/section.js';
import { Table } from '../parts/table.js';
import type { View } from '../view.js';

type Format = (value: number) => string;

const fineShare: Format = (change) => formatLimited(change, 'points');

/** How a measure is written, and its changes; more is better of accuracy alone. */
const MEASURES: Readonly<Record<TrendRow['measure'], { name: string; format: Format; change: Format }>> = {
  bytes: { name: 'bytes', format: formatNumber, change: formatNumber },
  accuracy: { name: 'accuracy', format: formatPercent, change: formatPoints },
  gap: { name: 'points behind full fine-tune', format: formatPointsNumber, change: formatPoints },
  'negative-flips': { name: 'negative flips', format: formatShare, change: fineShare },
  'apply-seconds': { name: 'time to apply', format: formatSeconds, change: formatSeconds },
};

/** What changed since an earlier report; absent without one. */
export function trendSection({ report }: View): Section | undefined {
  const { trend } = report;
  if (trend === undefined || trend.rows.length === 0) return undefined;
  const columns = columnsOf('Payload', 'Measure', '#Before', '#Now', '#Change', 'Verdict');
  return {
    id: 'trend',
    title: 'Since the earlier report',
    content: (
      <Table
        id="trend-table"
        caption={`Compared with “${trend.title}”`}
        columns={columns}
        rows={trend.rows.map(cellsOf)}
      />
    ),
  };
}

function cellsOf({ candidate, measure, before, now }: TrendRow): Cell[] {
  const { name, format, change } = MEASURES[measure];
  const difference = now - before;
  const sign = difference < 0 ? '−' : '+';
  const written = difference === 0 ? 'none' : `${sign}${change(Math.abs(difference))}`;
  return [
    textCell(candidate),
    textCell(name),
    numberCell(before, format),
    numberCell(now, format),
    { text: written, order: difference },
    verdictOf(measure, difference),
  ];
}

function verdictOf(measure: TrendRow['measure'], difference: number): Cell {
  if (difference === 0) return { text: 'the same' };
  const isBetter = measure === 'accuracy' ? difference > 0 : difference < 0;
  return isBetter ? { text: 'better', verdict: 'good' } : { text: 'worse', verdict: 'bad' };
}
