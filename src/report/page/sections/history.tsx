import type { HistoryPoint } from '../../document.js';
import { drawLines } from '../charts/lines.js';
import { formatNumber, formatPercent, formatShare, formatSigned } from '../format.js';
import { Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, Table, textCell } from '../parts/table.js';
import { type Series, seriesAt, type View } from '../view.js';

/** The advised payloads of several reports, oldest first; absent without earlier ones. */
export async function historySection({ report }: View): Promise<Section | undefined> {
  const { history = [] } = report;
  if (history.length === 0) return undefined;
  const columns = columnsOf(
    ...['#Report', 'Title', 'Payload', '#Bytes', '#Share', '#Accuracy'],
    ...['#Points behind full fine-tune (below 0: better)', '#Negative flips', 'Gates'],
  );
  return {
    id: 'history',
    title: 'Report by report',
    content: (
      <>
        {await accuracyFigure(history)}
        <Table
          id="history-table"
          caption="The advised payload of each report, or its first one"
          columns={columns}
          rows={history.map(cellsOf)}
        />
      </>
    ),
  };
}

function cellsOf(point: HistoryPoint, index: number) {
  const { title, candidate, bytes, share, accuracy, gap, negativeFlips, isPassed } = point;
  return [
    numberCell(index + 1, formatNumber),
    textCell(title),
    textCell(candidate),
    numberCell(bytes, formatNumber),
    numberCell(share, formatShare),
    numberCell(accuracy, formatPercent),
    numberCell(gap, formatSigned),
    numberCell(negativeFlips, formatShare),
    isPassed ? { text: 'held', verdict: 'good' as const } : { text: 'not held', verdict: 'bad' as const },
  ];
}

/** Accuracy of the payloads; absent where fewer than two were measured. */
async function accuracyFigure(history: readonly HistoryPoint[]) {
  const looks: Series[] = [seriesAt(0, 'Payload')];
  const points = history.flatMap(({ accuracy, title, candidate }, index) =>
    accuracy === undefined
      ? []
      : [{ series: 0, at: index + 1, value: accuracy, about: aboutOf(title, candidate, accuracy) }],
  );
  if (points.length < 2) return undefined;
  const chart = { label: 'Accuracy in each report', along: 'Report', looks, points, unit: 'share' as const };
  return (
    <Figure
      title="Accuracy in each report"
      note="The reports are in the table."
      drawings={await drawLines(chart)}
    />
  );
}

function aboutOf(title: string, candidate: string, accuracy: number): string {
  return `${title}, ${candidate}: accuracy ${formatPercent(accuracy)}`;
}
