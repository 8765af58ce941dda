import { drawSequence } from '../charts/sequence.js';
import { formatNumber, formatPercent, formatPointsNumber } from '../format.js';
import { columnsOf, numberCell, seriesCell } from '../parts/cells.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { Table } from '../parts/table.js';
import { FULL_SERIES, type Series, seriesAt } from '../series.js';
import type { View } from '../view.js';

/** Updates in a row; absent where they were not measured. */
export async function sequenceSection({ report }: View): Promise<Section | undefined> {
  const { sequence } = report;
  if (sequence === undefined || sequence.points.length === 0) return undefined;
  const methods = [...new Set(sequence.points.map(({ method }) => method))];
  const looks = looksOf(methods);
  const dots = sequence.points.map(({ method, update, accuracy }) => ({
    ...{ series: methods.indexOf(method), update, accuracy },
    about: `${method}, update ${update}: accuracy ${formatPercent(accuracy)}`,
  }));
  const rows = sequence.points.map((point) => [
    seriesCell(looks[methods.indexOf(point.method)] as Series),
    numberCell(point.update, formatNumber),
    numberCell(point.bytes, formatNumber),
    numberCell(point.accuracy, formatPercent),
    numberCell(point.gap, formatPointsNumber),
    numberCell(point.seeds, formatNumber),
  ]);
  const columns = columnsOf(
    ...['Method', '#Update', '#Bytes', '#Accuracy', '#Points behind full fine-tunes', '#Seeds'],
  );
  return {
    id: 'sequence',
    title: 'Updates in a row',
    content: (
      <>
        <Figure
          title="Accuracy on everything so far"
          note={`Task “${sequence.task}”. Each update is trained from what devices have; means over seeds.`}
          drawings={await drawSequence(looks, dots)}
          legend={looks}
        />
        <Details title="Updates in a row as a table">
          <Table id="sequence-table" caption="Accuracy after each update" columns={columns} rows={rows} />
        </Details>
      </>
    ),
  };
}

/** Full fine-tunes look here as they do in the other charts. */
function looksOf(methods: readonly string[]): Series[] {
  const isFull = (method: string) => /^full fine-tunes?$/i.test(method);
  const others = methods.filter((method) => !isFull(method));
  return methods.map((method) =>
    isFull(method) ? { ...FULL_SERIES, name: method } : seriesAt(others.indexOf(method), method),
  );
}
