import type { VNode } from 'preact';
import type { Alternative, Candidate, MeasuredModel } from '../../document.js';
import { type ByteBar, drawBytes } from '../charts/bars.js';
import { DASH, formatMemory, formatNumber, formatSeconds, formatShare, formatTimes } from '../format.js';
import { Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import {
  accuracyCell,
  type Cell,
  type Column,
  columnsOf,
  numberCell,
  pointsCell,
  seriesCell,
  Table,
  textCell,
} from '../parts/table.js';
import { BASE_SERIES, FULL_SERIES, type View } from '../view.js';

const COLUMNS = columnsOf(
  ...[
    'Model',
    'Kinds',
    '#Bytes',
    '#Share',
    '#Times smaller',
    '#Accuracy',
    '#Points behind full fine-tune (below 0: better)',
  ],
  ...['#Negative flips', '#Time to apply', '#Extra memory', '#Gates held'],
);

/** The cost of each payload, compared with the base, the full fine-tune and other ways to ship. */
export async function costSection(view: View): Promise<Section | undefined> {
  const { report, candidates } = view;
  const { base, full, model, ways } = report;
  if (model === undefined) return undefined;
  const rows = [
    ...candidates.map(({ candidate, series }) => [seriesCell(series), ...candidateCells(candidate)]),
    ...(full === undefined ? [] : [[seriesCell(FULL_SERIES), ...fullCells(full, model.float32Bytes)]]),
    [seriesCell(BASE_SERIES), ...baseCells(base)],
  ];
  return {
    id: 'cost',
    title: 'What it costs',
    content: (
      <>
        <Table id="cost-table" caption="Payloads, full fine-tune and base" {...withoutEmpty(rows)} />
        <Problems view={view} />
        {await bytesFigure(view)}
        {ways.length > 0 && <WaysTable ways={ways} float32Bytes={model.float32Bytes} />}
      </>
    ),
  };
}

/** Drops the columns without any measured value. */
function withoutEmpty(rows: readonly Cell[][]): { columns: Column[]; rows: Cell[][] } {
  const isShown = (_: unknown, index: number) => rows.some((cells) => cells[index]?.text !== DASH);
  return { columns: COLUMNS.filter(isShown), rows: rows.map((cells) => cells.filter(isShown)) };
}

function candidateCells(candidate: Candidate): Cell[] {
  const { quality, versusBase, versusFull, apply, checks } = candidate;
  const met = checks.filter(({ isMet }) => isMet).length;
  return [
    textCell(candidate.kinds.join(', ')),
    numberCell(candidate.bytes, formatNumber),
    numberCell(candidate.share, formatShare),
    numberCell(candidate.share > 0 ? 1 / candidate.share : undefined, () => formatTimes(candidate.share)),
    accuracyCell(quality?.accuracy),
    pointsCell(versusFull?.gap),
    numberCell(versusBase?.negativeFlips.count, formatNumber),
    numberCell(apply?.seconds, formatSeconds),
    numberCell(apply?.extraMemoryBytes, formatMemory),
    checks.length === 0 ? { text: DASH } : { text: `${met} of ${checks.length}`, order: met / checks.length },
  ];
}

function fullCells({ quality }: MeasuredModel, float32Bytes: number): Cell[] {
  const bytes = numberCell(float32Bytes, formatNumber);
  const whole = [numberCell(1, formatShare), numberCell(1, formatTimes)];
  return [textCell('all weights'), bytes, ...whole, accuracyCell(quality?.accuracy), ...blanks(5)];
}

function baseCells({ quality }: MeasuredModel): Cell[] {
  return [textCell('nothing shipped'), ...blanks(3), accuracyCell(quality?.accuracy), ...blanks(5)];
}

const blanks = (count: number): Cell[] => Array.from({ length: count }, () => ({ text: DASH }));

/** The reasons why models were not measured. */
function Problems({ view }: { view: View }): VNode | null {
  const failed = view.models.filter(({ model }) => model.problem !== undefined);
  if (failed.length === 0) return null;
  return (
    <ul class="problems">
      {failed.map(({ series, model }, index) => (
        <li key={index}>
          <bdi>{series.name}</bdi>: <bdi>{model.problem}</bdi>
        </li>
      ))}
    </ul>
  );
}

async function bytesFigure({ candidates, report }: View): Promise<VNode | null> {
  const bars: ByteBar[] = [
    ...candidates.map(({ candidate: { name, bytes }, series }) => ({ name, bytes, colour: series.colour })),
    ...report.ways.flatMap(({ name, bytes }) =>
      bytes === undefined ? [] : [{ name, bytes, colour: 'var(--other)' }],
    ),
  ].filter(({ bytes }) => bytes >= 1);
  if (bars.length === 0) return null;
  return (
    <Figure
      title="Bytes to ship"
      note="Payloads in colour, other ways to ship the full fine-tune in grey. The scale is logarithmic."
      drawings={await drawBytes(bars)}
    />
  );
}

function WaysTable({ ways, float32Bytes }: { ways: readonly Alternative[]; float32Bytes: number }): VNode {
  const rows = ways.map(({ name, bytes, note }) => [
    textCell(name),
    numberCell(bytes, formatNumber),
    numberCell(bytes === undefined ? undefined : bytes / float32Bytes, formatShare),
    textCell(note),
  ]);
  const columns = columnsOf('Way', '#Bytes', '#Share', 'Note');
  return (
    <Table id="ways-table" caption="Other ways to ship the full fine-tune" columns={columns} rows={rows} />
  );
}
