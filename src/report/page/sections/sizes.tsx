import type { Frontier } from '../../document.js';
import { drawSizes, type SizeChart } from '../charts/points.js';
import {
  formatBytes,
  formatEstimate,
  formatNumber,
  formatPercent,
  formatPointsNumber,
  formatShare,
  formatSigned,
} from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, Table, textCell } from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES, type Series, type View } from '../view.js';

const OTHERS: Series = {
  name: 'Other methods, one line each',
  colour: 'var(--other)',
  shape: 'M0,-.8A.8,.8,0,1,1,0,.8A.8,.8,0,1,1,0,-.8Z',
};

/** A close-up is added if the measured values fill less than this share of the chart. */
const CLOSE_SHARE = 0.5;

/** Size against accuracy; absent without measured payloads and other methods. */
export async function sizesSection(view: View): Promise<Section | undefined> {
  const { frontier } = view.report;
  const chart = chartOf(view);
  const close = closeChart(chart);
  if (chart.candidates.length + chart.others.length === 0) return undefined;
  const others = chart.others.length === 0 ? [] : [OTHERS];
  const legend = [...chart.candidates.map(({ look }) => look), ...others];
  return {
    id: 'sizes',
    title: 'Size against accuracy',
    content: (
      <>
        <Figure
          title="Accuracy against bytes"
          note={`Bars are 95 % intervals; payloads are also in the table above.${frontier === undefined ? '' : apart(frontier)}`}
          drawings={await drawSizes(chart)}
          legend={legend}
        />
        {close !== undefined && (
          <Figure
            title="Close-up"
            note="Without the base, and without other methods below all payloads."
            drawings={await drawSizes(close)}
            legend={legend}
          />
        )}
        {frontier !== undefined && <OtherMethods frontier={frontier} />}
      </>
    ),
  };
}

function apart({ task, base, full }: Frontier): string {
  return ` Other methods were measured separately, on the task “${task}”, as means over seeds; there, the base has ${formatPercent(base)} and the full fine-tune ${formatPercent(full)}.`;
}

function chartOf(view: View): SizeChart {
  const candidates = view.candidates.flatMap(({ candidate: { bytes, quality, name }, series }) => {
    if (quality === undefined || bytes < 1) return [];
    const about = `${name}: ${formatBytes(bytes)}, accuracy ${formatEstimate(quality.accuracy)}`;
    return [{ bytes, accuracy: quality.accuracy, about, look: series }];
  });
  const points = (view.report.frontier?.points ?? []).filter(({ bytes }) => bytes >= 1);
  const others = points.map(({ method, bytes, accuracy, deviation }) => ({
    method,
    bytes,
    accuracy: { value: accuracy, low: accuracy, high: accuracy },
    about: `${method}: ${formatBytes(bytes)}, accuracy ${formatPercent(accuracy)} ± ${formatPointsNumber(deviation)}`,
  }));
  return { candidates, others, rules: rulesOf(view) };
}

/** @returns the part of a chart from the lowest payload up; undefined if that is most of it */
function closeChart({ candidates, others, rules }: SizeChart): SizeChart | undefined {
  const all = [...candidates, ...others].map(({ accuracy }) => accuracy.value);
  const values = [...all, ...rules.map(({ accuracy }) => accuracy)];
  const floor = Math.min(...candidates.map(({ accuracy }) => accuracy.low));
  const high = Math.max(...values);
  if (candidates.length === 0 || high - floor > CLOSE_SHARE * (high - Math.min(...values))) return undefined;
  return {
    candidates,
    others: others.filter(({ accuracy }) => accuracy.value >= floor),
    rules: rules.filter(({ accuracy }) => accuracy >= floor),
  };
}

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
    numberCell(gap, formatSigned),
    numberCell(seeds, formatNumber),
  ]);
  const columns = columnsOf(
    ...[
      'Method',
      '#Bytes',
      '#Share',
      '#Accuracy',
      '#± points',
      '#Points behind full fine-tune (below 0: better)',
      '#Seeds',
    ],
  );
  const caption = `Other methods on the task “${frontier.task}”`;
  return (
    <Details title={`${caption}: ${frontier.points.length} points`}>
      <Table id="methods-table" caption={caption} columns={columns} rows={rows} />
    </Details>
  );
}
