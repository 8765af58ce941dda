import type { TrendRow } from '../../document.js';
import { drawLines } from '../charts/lines.js';
import {
  formatLimited,
  formatNumber,
  formatPercent,
  formatPoints,
  formatSeconds,
  formatShare,
  formatSigned,
} from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { type Cell, columnsOf, numberCell, seriesCell, Table, textCell } from '../parts/table.js';
import { FULL_SERIES, type Series, seriesAt, type View } from '../view.js';

type Format = (value: number) => string;

const fineShare: Format = (change) => formatLimited(change, 'points');

/** How a measure and its changes are formatted; only for accuracy, more is better. */
const MEASURES: Readonly<Record<TrendRow['measure'], { name: string; format: Format; change: Format }>> = {
  bytes: { name: 'bytes', format: formatNumber, change: formatNumber },
  accuracy: { name: 'accuracy', format: formatPercent, change: formatPoints },
  gap: { name: 'points behind full fine-tune (below 0: better)', format: formatSigned, change: formatPoints },
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

/** Consecutive updates; absent if they were not measured. */
export async function sequenceSection({ report }: View): Promise<Section | undefined> {
  const { sequence } = report;
  if (sequence === undefined || sequence.points.length === 0) return undefined;
  const methods = [...new Set(sequence.points.map(({ method }) => method))];
  const looks = looksOf(methods);
  const points = sequence.points.map(({ method, update, accuracy }) => ({
    series: methods.indexOf(method),
    at: update,
    value: accuracy,
    about: `${method}, update ${update}: accuracy ${formatPercent(accuracy)}`,
  }));
  const rows = sequence.points.map((point) => [
    seriesCell(looks[methods.indexOf(point.method)] as Series),
    numberCell(point.update, formatNumber),
    numberCell(point.bytes, formatNumber),
    numberCell(point.accuracy, formatPercent),
    numberCell(point.gap, formatSigned),
    numberCell(point.seeds, formatNumber),
  ]);
  const columns = columnsOf(
    ...[
      'Method',
      '#Update',
      '#Bytes',
      '#Accuracy',
      '#Points behind full fine-tunes (below 0: better)',
      '#Seeds',
    ],
  );
  const title = 'Accuracy on the data of all updates so far';
  return {
    id: 'sequence',
    title: 'Consecutive updates',
    content: (
      <>
        <Figure
          title={title}
          note={`Task “${sequence.task}”. Each update is trained from what devices have; means over seeds.`}
          drawings={await drawLines({ label: title, along: 'Update', looks, points, unit: 'share' })}
          legend={looks}
        />
        <Details title="Consecutive updates as a table">
          <Table id="sequence-table" caption="Accuracy after each update" columns={columns} rows={rows} />
        </Details>
      </>
    ),
  };
}

/** Gives full fine-tunes the same look as in other charts. */
function looksOf(methods: readonly string[]): Series[] {
  const isFull = (method: string) => /^full fine-tunes?$/i.test(method);
  const others = methods.filter((method) => !isFull(method));
  return methods.map((method) =>
    isFull(method) ? { ...FULL_SERIES, name: method } : seriesAt(others.indexOf(method), method),
  );
}
