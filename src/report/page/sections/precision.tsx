import type { VNode } from 'preact';
import {
  formatLossChange,
  gapOf,
  gridWords,
  lossChangeOn,
  needsInt4,
  type Precision,
  type PrecisionTotal,
  precisionWords,
  WAY_WORDS,
} from '../../precision.js';
import { drawSizes } from '../charts/points.js';
import {
  DASH,
  formatBytes,
  formatEstimate,
  formatNumber,
  formatShare,
  formatSmall,
  tieShares,
} from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import {
  accuracyCell,
  type Cell,
  columnsOf,
  numberCell,
  pointsCell,
  seriesCell,
  Table,
  textCell,
  verdictCell,
} from '../parts/table.js';
import { type Series, seriesAt, type View } from '../view.js';

const BEHIND = 'Points behind (below 0: better)';
const PROBABILITY = "The same, of the right class's probability";

/** @returns points, finer than those of accuracies */
const formatFine = (difference: number): string => formatNumber(100 * difference, 2);

/** The coarsest grids of the base's tensors; absent unless measured. */
export async function precisionSection({ report }: View): Promise<Section | undefined> {
  const { precision } = report;
  if (precision === undefined) return undefined;
  const looks = new Map(precision.totals.map(({ way }, i) => [way, seriesAt(i, WAY_WORDS[way])]));
  return {
    id: 'precision',
    title: 'Precision of the stored weights',
    content: (
      <>
        {precisionWords(precision).map((words, index) => (
          <p key={index}>{tieShares(words)}</p>
        ))}
        {await sizesFigure(precision, looks)}
        <TotalsTable precision={precision} looks={looks} />
        <Details title={`Grids of ${formatNumber(precision.tensors.length)} tensors`} isOpen="yes">
          <TensorsTable precision={precision} />
        </Details>
      </>
    ),
  };
}

type Looks = ReadonlyMap<PrecisionTotal['way'], Series>;

async function sizesFigure({ totals, chosenBy }: Precision, looks: Looks): Promise<VNode | undefined> {
  const candidates = totals.flatMap(({ way, bytes, measured }) => {
    if (measured === undefined || bytes < 1) return [];
    const { accuracy } = measured;
    const about = `${WAY_WORDS[way]}: ${formatBytes(bytes)}, accuracy ${formatEstimate(accuracy)}`;
    return [{ bytes, accuracy, about, look: looks.get(way) as Series }];
  });
  if (candidates.length === 0) return undefined;
  const drawings = await drawSizes({ candidates, others: [], rules: [], of: 'stored weights' });
  const on = `${formatNumber(chosenBy.examples)} ${chosenBy.source} examples`;
  return (
    <Figure
      title="Accuracy against bytes of the stored weights"
      note={`On the ${on} that chose; bars are 95 % intervals.`}
      drawings={drawings}
      legend={candidates.map(({ look }) => look)}
    />
  );
}

function TotalsTable({ precision, looks }: { precision: Precision; looks: Looks }): VNode {
  const { totals } = precision;
  const whole = totals.find(({ way }) => way === 'as-is')?.bytes ?? 0;
  const isTested = totals.some(({ test }) => test !== undefined);
  const tested = isTested ? ['#Test accuracy', `#Test: ${BEHIND.toLowerCase()}`] : [];
  const measures = ['#Bytes', '#Share', '#Loss', '#Accuracy', `#${BEHIND}`, `#${PROBABILITY}`];
  const columns = ['Stored as', ...measures, ...tested, 'Contract'];
  const rows = totals.map(({ way, bytes, measured, isMet, test }): Cell[] => [
    seriesCell(looks.get(way) as Series),
    numberCell(bytes, formatNumber),
    numberCell(whole === 0 ? undefined : bytes / whole, formatShare),
    numberCell(measured?.loss, formatSmall),
    accuracyCell(measured?.accuracy),
    pointsCell(gapOf(way, measured)),
    numberCell(way === 'as-is' ? undefined : measured?.probabilityGap, formatFine),
    ...(isTested ? [accuracyCell(test?.accuracy), pointsCell(gapOf(way, test))] : []),
    verdictCell(isMet, { good: 'kept', bad: 'not kept' }),
  ]);
  return (
    <Table
      id="precision-table"
      caption="The base on each grid, against the model as it is"
      columns={columnsOf(...columns)}
      rows={rows}
    />
  );
}

function TensorsTable({ precision }: { precision: Precision }): VNode {
  const isInt4 = needsInt4(precision);
  const columns = ['Tensor', 'Shape', 'Grid', '#Bytes before', '#Bytes', '#Loss change alone'];
  const rows = precision.tensors.map((each): Cell[] => {
    const { tensor, shape, bytes, gridBytes, grid, int4Grid, dtype } = each;
    return [
      textCell(tensor),
      textCell(shape.length === 0 ? DASH : shape.join('×')),
      textCell(grid === undefined ? dtype : gridWords(grid)),
      numberCell(bytes, formatNumber),
      numberCell(gridBytes, formatNumber),
      numberCell(lossChangeOn(each, grid), formatLossChange),
      ...(isInt4 ? [textCell(int4Grid === undefined ? dtype : gridWords(int4Grid))] : []),
    ];
  });
  return (
    <Table
      id="precision-tensors"
      caption="Grid of each tensor"
      columns={columnsOf(...columns, ...(isInt4 ? ['Grid, were int4 stored'] : []))}
      rows={rows}
    />
  );
}
