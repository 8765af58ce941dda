import type { VNode } from 'preact';
import { drawParts, type PartDot } from '../charts/bars.js';
import { drawCalibration } from '../charts/points.js';
import { formatEstimate, formatNumber, formatPercent, formatPointsNumber } from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import {
  accuracyCell,
  type Cell,
  columnsOf,
  numberCell,
  seriesCell,
  Table,
  textCell,
} from '../parts/table.js';
import {
  BASE_SERIES,
  FULL_SERIES,
  type PartRow,
  partRows,
  type Series,
  type ShownModel,
  type View,
} from '../view.js';

/** Most classes in a chart; of more, those that changed most are shown. */
const MAX_CHART_ROWS = 30;

const KINDS = {
  classes: { id: 'class', word: 'Class', plural: 'classes' },
  slices: { id: 'slice', word: 'Slice', plural: 'slices' },
} as const;

type Kind = keyof typeof KINDS;

/** Accuracy by class and slice, and calibration; absent if nothing was measured. */
export async function accuracySection(view: View): Promise<Section | undefined> {
  const measured = view.models.filter(({ model }) => model.quality !== undefined);
  if (measured.length === 0) return undefined;
  return {
    id: 'accuracy',
    title: 'Accuracy',
    content: (
      <>
        {await partsPart(view, measured, 'classes')}
        {await partsPart(view, measured, 'slices')}
        {await calibrationPart(view, measured)}
      </>
    ),
  };
}

async function partsPart(view: View, measured: readonly ShownModel[], kind: Kind): Promise<VNode | null> {
  const rows = partRows(measured, kind);
  if (rows.length === 0) return null;
  const { id, word, plural } = KINDS[kind];
  return (
    <>
      <h3>By {id}</h3>
      {kind === 'classes' && (await classFigure(view, measured))}
      <Table
        id={`${id}-table`}
        caption={`Accuracy by ${id}, percent with 95 % interval`}
        columns={columnsOf(word, '#Examples', ...measured.map(({ series }) => `#${series.name}`))}
        rows={rows.map((row) => [...headCells(row), ...row.parts.map(partCell)])}
      />
      <Flipped measured={measured} kind={kind} title={`Negative flips of ${plural}`} />
    </>
  );
}

function headCells({ name, examples }: PartRow): Cell[] {
  return [textCell(name), numberCell(examples, formatNumber)];
}

function partCell(part: PartRow['parts'][number]): Cell {
  return part?.examples === 0 ? { text: 'no examples' } : accuracyCell(part?.accuracy);
}

function Flipped(props: { measured: readonly ShownModel[]; kind: Kind; title: string }): VNode | null {
  const models = props.measured.filter(({ series }) => series !== BASE_SERIES);
  const rows = partRows(models, props.kind);
  const isKnown = rows.some(({ parts }) => parts.some((part) => part?.negativeFlips !== undefined));
  if (!isKnown) return null;
  const { id, word } = KINDS[props.kind];
  const names = models.map(({ series }) => `#${series.name}`);
  return (
    <Details title={props.title}>
      <Table
        id={`${id}-flips`}
        caption={`Examples that the base gets right and the model wrong, by ${id}`}
        columns={columnsOf(word, '#Examples', ...names)}
        rows={rows.map((row) => [
          ...headCells(row),
          ...row.parts.map((part) => numberCell(part?.negativeFlips, formatNumber)),
        ])}
      />
    </Details>
  );
}

async function classFigure(view: View, measured: readonly ShownModel[]): Promise<VNode | null> {
  const fixed = [BASE_SERIES, FULL_SERIES, view.main?.series];
  const shown = measured.filter(({ series }) => fixed.includes(series));
  const all = partRows(shown, 'classes').filter(({ parts }) => parts.some((part) => part?.accuracy));
  if (all.length === 0) return null;
  const most = new Set([...all].sort((a, b) => spreadOf(b) - spreadOf(a)).slice(0, MAX_CHART_ROWS));
  const rows = all.filter((row) => most.has(row));
  const few = `The ${MAX_CHART_ROWS} classes that differ most, of ${formatNumber(all.length)}.`;
  const looks = shown.map(({ series }) => series);
  const chart = { label: 'Accuracy by class', names: rows.map(({ name }) => name), looks };
  return (
    <Figure
      title={
        view.main === undefined
          ? 'Base and full fine-tune'
          : `${view.main.series.name}, base and full fine-tune`
      }
      {...(rows.length < all.length ? { note: few } : {})}
      legend={looks}
      drawings={await drawParts({ ...chart, dots: dotsOf(rows, looks) })}
    />
  );
}

/** @returns how far the models are apart */
function spreadOf({ parts }: PartRow): number {
  const values = parts.flatMap((part) => part?.accuracy?.value ?? []);
  return Math.max(...values) - Math.min(...values);
}

function dotsOf(rows: readonly PartRow[], looks: readonly Series[]): PartDot[] {
  return rows.flatMap(({ name, parts }, row) =>
    parts.flatMap((part, series) => {
      if (part?.accuracy === undefined) return [];
      const about = `${looks[series]?.name}, ${name}: ${formatEstimate(part.accuracy)}`;
      return [{ row, series, accuracy: part.accuracy.value, about }];
    }),
  );
}

/** The calibration error of each model, and the bins of the main ones. */
async function calibrationPart(view: View, measured: readonly ShownModel[]): Promise<VNode> {
  const rows = measured.map(({ series, model }) => [
    seriesCell(series),
    numberCell(model.quality?.calibration.error, formatPointsNumber),
  ]);
  return (
    <>
      <h3>Calibration</h3>
      <div class="pair">
        {await reliabilityFigure(view, measured)}
        <Table
          id="calibration-table"
          caption="Expected calibration error: how far confidence is from accuracy"
          columns={columnsOf('Model', '#Points')}
          rows={rows}
        />
      </div>
      <Bins measured={measured} />
    </>
  );
}

async function reliabilityFigure(view: View, measured: readonly ShownModel[]): Promise<VNode | null> {
  const fixed = [BASE_SERIES, FULL_SERIES, view.main?.series];
  const shown = measured.filter(({ series }) => fixed.includes(series));
  const looks = shown.map(({ series }) => series);
  const points = shown.flatMap(({ series, model }, index) =>
    (model.quality?.calibration.bins ?? []).map(({ confidence, accuracy, examples }) => ({
      series: index,
      confidence,
      accuracy,
      about: `${series.name}: confidence ${formatPercent(confidence)}, accuracy ${formatPercent(accuracy)}, ${formatNumber(examples)} examples`,
    })),
  );
  if (points.length === 0) return null;
  return (
    <Figure
      title="Accuracy (upwards) against confidence"
      note="On the dashed line, confidence equals accuracy."
      legend={looks}
      drawings={[await drawCalibration(looks, points)]}
    />
  );
}

function Bins({ measured }: { measured: readonly ShownModel[] }): VNode {
  const rows = measured.flatMap(({ series, model }) =>
    (model.quality?.calibration.bins ?? []).map(({ low, high, examples, confidence, accuracy }) => [
      seriesCell(series),
      { ...textCell(`${formatPercent(low)} to ${formatPercent(high)}`), order: low },
      numberCell(examples, formatNumber),
      numberCell(confidence, formatPercent),
      numberCell(accuracy, formatPercent),
    ]),
  );
  return (
    <Details title="Confidence and accuracy by bin">
      <Table
        id="bins-table"
        caption="Examples by the probability of the predicted class"
        columns={columnsOf('Model', '#Probability', '#Examples', '#Mean confidence', '#Accuracy')}
        rows={rows}
      />
    </Details>
  );
}
