import type { VNode } from 'preact';
import type { Curve } from '../../document.js';
import { drawLines, type LineChart } from '../charts/lines.js';
import { formatNumber, formatPercent, formatShare } from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, seriesCell, Table } from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES, type Series, type View } from '../view.js';

/** A payload's training with its series. */
interface ShownCurve {
  readonly series: Series;
  readonly curve: Curve;
}

type Epoch = Curve['epochs'][number];

const formatPlain = (value: number): string => value.toPrecision(4);

/** Other tasks may call something else a density. */
function densityOf({ state: { density } }: Epoch): number | undefined {
  return density !== undefined && density >= 0 && density <= 1 ? density : undefined;
}

/** What is drawn of each epoch, where it was recorded. */
const CHARTS: readonly {
  readonly title: string;
  readonly note: string;
  readonly unit: LineChart['unit'];
  readonly format: (value: number) => string;
  read(epoch: Epoch): number | undefined;
}[] = [
  {
    title: 'Accuracy after each epoch',
    note: 'On the validation data. The lines are base and full fine-tune.',
    unit: 'share',
    format: formatPercent,
    read: ({ accuracy }) => accuracy,
  },
  {
    title: 'Loss of each epoch',
    note: 'Mean over the steps, distillation included.',
    unit: 'number',
    format: formatPlain,
    read: ({ loss }) => loss,
  },
  {
    title: 'Density after each epoch',
    note: 'Share of the weights in the mask.',
    unit: 'share',
    format: formatShare,
    read: densityOf,
  },
  {
    title: 'Temperature of the gates',
    note: 'At 0 a gate is open or shut.',
    unit: 'number',
    format: formatPlain,
    read: ({ state }) => state.temperature,
  },
];

/** How payloads were trained, epoch by epoch; absent without curves. */
export async function trainingSection({ report, candidates }: View): Promise<Section | undefined> {
  const shown = candidates.flatMap(({ series, candidate }) => {
    const curve = report.curves?.find((each) => each.candidate === candidate.name);
    return curve === undefined || curve.epochs.length === 0 ? [] : [{ series, curve }];
  });
  if (shown.length === 0) return undefined;
  const figures = await Promise.all(CHARTS.map((chart) => figureOf(chart, shown)));
  return {
    id: 'training',
    title: 'Training',
    content: (
      <>
        {figures}
        <Details title="Epochs as a table">
          <EpochTable shown={shown} />
        </Details>
      </>
    ),
  };
}

/** @returns a chart; undefined where no epoch has its value, and where no value ever changes */
async function figureOf(
  { title, note, unit, format, read }: (typeof CHARTS)[number],
  shown: readonly ShownCurve[],
): Promise<VNode | undefined> {
  const points = shown.flatMap(({ curve }, series) =>
    curve.epochs.flatMap((epoch, i) => {
      const value = read(epoch);
      if (value === undefined) return [];
      const about = `${curve.candidate}, epoch ${i + 1}: ${format(value)}`;
      return [{ series, at: i + 1, value, about }];
    }),
  );
  const isFlat = new Set(points.map(({ value }) => value)).size < 2;
  if (points.length === 0 || (isFlat && unit === 'share')) return undefined;
  const looks = shown.map(({ series }) => series);
  const rules = title.startsWith('Accuracy') ? rulesOf(shown) : [];
  const drawings = await drawLines({ label: title, along: 'Epoch', looks, points, rules, unit });
  return <Figure key={title} title={title} note={note} drawings={drawings} legend={looks} />;
}

/** All payloads of a report have one base and one full fine-tune, more or less. */
function rulesOf([first]: readonly ShownCurve[]): NonNullable<LineChart['rules']> {
  const { base, full } = first?.curve ?? {};
  const rule = (name: string, { colour }: Series, value: number | undefined) =>
    value === undefined ? [] : [{ name, colour, value }];
  return [...rule('Base', BASE_SERIES, base), ...rule('Full fine-tune', FULL_SERIES, full)];
}

function EpochTable({ shown }: { shown: readonly ShownCurve[] }): VNode {
  const rows = shown.flatMap(({ series, curve }) =>
    curve.epochs.map((epoch, i) => [
      seriesCell(series),
      numberCell(i + 1, formatNumber),
      numberCell(epoch.loss, formatPlain),
      numberCell(epoch.accuracy, formatPercent),
      numberCell(densityOf(epoch), formatShare),
      numberCell(epoch.state.temperature, formatPlain),
    ]),
  );
  const columns = columnsOf('Payload', '#Epoch', '#Loss', '#Accuracy', '#Density', '#Temperature');
  return <Table id="training-table" caption="Each epoch" columns={columns} rows={rows} />;
}
