import type { Frontier } from '../../report/index.js';
import { drawSizes, type SizeChart } from '../charts/frontier.js';
import {
  formatBytes,
  formatEstimate,
  formatNumber,
  formatPercent,
  formatPoints,
  formatPointsNumber,
  formatShare,
} from '../format.js';
import { columnsOf, numberCell, textCell } from '../parts/cells.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { Table } from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES, type Series } from '../series.js';
import type { View } from '../view.js';

const OTHERS: Series = {
  ...{ name: 'Other methods, a line each', colour: 'var(--other)' },
  shape: 'M0,-.8A.8,.8,0,1,1,0,.8A.8,.8,0,1,1,0,-.8Z',
};

/** Bytes against accuracy; absent where no payload was measured and there are no other methods. */
export async function sizesSection(view: View): Promise<Section | undefined> {
  const { frontier } = view.report;
  const { chart, left } = chartOf(view);
  if (chart.candidates.length + chart.others.length === 0 && frontier === undefined) return undefined;
  const others = chart.others.length === 0 ? [] : [OTHERS];
  const legend = [...chart.candidates.map(({ look }) => look), ...others];
  const isEmpty = chart.candidates.length + chart.others.length === 0;
  return {
    id: 'sizes',
    title: 'Size against accuracy',
    content: (
      <>
        {!isEmpty && (
          <Figure
            title="Accuracy against bytes"
            note={noteOf(frontier, left)}
            drawings={await drawSizes(chart)}
            legend={legend}
          />
        )}
        {frontier !== undefined && <OtherMethods frontier={frontier} />}
      </>
    ),
  };
}

function noteOf(frontier: Frontier | undefined, left: number): string {
  const bars = 'Bars are 95 % intervals; payloads are also in the table above.';
  const task = frontier === undefined ? '' : ` Other methods: task “${frontier.task}”, means over seeds.`;
  if (left === 0) return bars + task;
  const points = left === 1 ? '1 point' : `${left} points`;
  return `${bars}${task} ${points} of other methods below the base ${left === 1 ? 'is' : 'are'} in their table alone.`;
}

/** What the chart shows, and how many points below the base it leaves out. */
function chartOf(view: View): { chart: SizeChart; left: number } {
  const { report, candidates } = view;
  const shown = candidates.flatMap(({ candidate: { bytes, quality, name }, series }) => {
    if (quality === undefined || bytes < 1) return [];
    const about = `${name}: ${formatBytes(bytes)}, accuracy ${formatEstimate(quality.accuracy)}`;
    return [{ bytes, accuracy: quality.accuracy, about, look: series }];
  });
  const floor = Math.min(report.frontier?.base ?? 0, ...lowest(report.base.quality?.accuracy.value));
  const points = (report.frontier?.points ?? []).filter(({ bytes }) => bytes >= 1);
  const others = points
    .filter(({ accuracy }) => accuracy >= floor)
    .map(({ method, bytes, accuracy, deviation }) => ({
      ...{ method, bytes, accuracy: { value: accuracy, low: accuracy, high: accuracy } },
      about: `${method}: ${formatBytes(bytes)}, accuracy ${formatPercent(accuracy)} ± ${formatPointsNumber(deviation)}`,
    }));
  return { chart: { candidates: shown, others, rules: rulesOf(view) }, left: points.length - others.length };
}

const lowest = (value: number | undefined): number[] => (value === undefined ? [] : [value]);

function rulesOf({ report }: View): SizeChart['rules'] {
  return [
    { series: BASE_SERIES, quality: report.base.quality },
    { series: FULL_SERIES, quality: report.full?.quality },
  ].flatMap(({ series, quality }) => {
    if (quality === undefined) return [];
    const accuracy = quality.accuracy.value;
    return [{ name: `${series.name} ${formatPercent(accuracy)}`, accuracy, colour: series.colour }];
  });
}

function OtherMethods({ frontier }: { frontier: Frontier }) {
  const rows = frontier.points.map(({ method, bytes, share, accuracy, deviation, gap, seeds }) => [
    textCell(method),
    numberCell(bytes, formatNumber),
    numberCell(share, formatShare),
    numberCell(accuracy, formatPercent),
    numberCell(deviation, formatPointsNumber),
    numberCell(gap, formatPointsNumber),
    numberCell(seeds, formatNumber),
  ]);
  const columns = columnsOf(
    ...['Method', '#Bytes', '#Share', '#Accuracy', '#± points', '#Points behind full fine-tune', '#Seeds'],
  );
  const { base, full } = frontier;
  const caption = `Other methods on the task “${frontier.task}”`;
  return (
    <Details title={`${caption}: ${frontier.points.length} points`}>
      <Table id="methods-table" caption={caption} columns={columns} rows={rows} />
      <p class="note">
        There, the base has {formatPercent(base)}, the full fine-tune {formatPercent(full)}:{' '}
        {formatPoints(full - base)} between them.
      </p>
    </Details>
  );
}
