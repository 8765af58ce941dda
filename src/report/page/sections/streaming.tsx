import type { VNode } from 'preact';
import {
  formatFlops,
  LATENCY_SHARES,
  type StreamedModel,
  streamingWords,
  streamTables,
} from '../../streaming.js';
import { drawLines } from '../charts/lines.js';
import { formatSmall, tieShares } from '../format.js';
import { Details, Figure } from '../parts/figure.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, seriesCell, Table, textCell } from '../parts/table.js';
import type { Series, View } from '../view.js';

/** How the models work through streams, with a chart and a table for each thread; absent unless measured. */
export async function streamingSection({ report, models }: View): Promise<Section | undefined> {
  const { streaming } = report;
  if (streaming === undefined) return undefined;
  const streamed = models.map(({ series, model }) => ({ name: series, streams: model.streams }));
  const tables = streamTables(streaming, streamed);
  if (tables.length === 0) return undefined;
  const figures = await Promise.all(
    streaming.threads.map((flopsPerSecond, thread) => latencyFigure(streamed, { flopsPerSecond, thread })),
  );
  return {
    id: 'streaming',
    title: 'Streaming',
    content: (
      <>
        {streamingWords(streaming, streamed).map((words, index) => (
          <p key={index}>
            <bdi>{tieShares(words)}</bdi>
          </p>
        ))}
        {figures}
        {tables.map(({ caption, columns, rows }, index) => (
          <Table
            key={index}
            id={`streaming-table-${index + 1}`}
            caption={caption}
            columns={columnsOf('Model', ...columns.map((title) => `#${title}`))}
            rows={rows.map(({ name, cells }) => [
              seriesCell(name),
              ...cells.map(({ value, format }) => numberCell(value, (number) => tieShares(format(number)))),
            ])}
          />
        ))}
      </>
    ),
  };
}

/** A model's latencies on a thread, in ms, at the shares of frames of a report. */
interface Latencies {
  readonly series: Series;
  readonly milliseconds: readonly number[];
}

/** @returns a chart of the latencies on a thread; undefined if no model was measured on it */
async function latencyFigure(
  models: readonly StreamedModel<Series>[],
  { flopsPerSecond, thread }: { readonly flopsPerSecond: number; readonly thread: number },
): Promise<VNode | undefined> {
  const measured = models.flatMap(({ name, streams }) => {
    const { distribution = [] } = streams?.[thread]?.latency ?? {};
    return distribution.length > 0
      ? [{ series: name, milliseconds: distribution.map((seconds) => 1000 * seconds) }]
      : [];
  });
  if (measured.length === 0) return undefined;
  const points = measured.flatMap(({ series: { name }, milliseconds }, series) =>
    milliseconds.map((value, i) => {
      const about = `${name}, ${percentAt(i)} % of the frames: up to ${formatSmall(value)} ms`;
      return { series, at: percentAt(i), value, about };
    }),
  );
  const title = tieShares(`Latency in ms on a thread of ${formatFlops(flopsPerSecond)}/s`);
  const looks = measured.map(({ series }) => series);
  const along = 'Frames with at most this latency, %';
  const drawings = await drawLines({ label: title, along, looks, points, unit: 'number' });
  return (
    <Figure key={thread} title={title} drawings={drawings} legend={looks}>
      <Details title="Latencies as a table">
        <LatencyTable id={`latency-table-${thread + 1}`} title={title} models={measured} />
      </Details>
    </Figure>
  );
}

/** @returns the share of the frames, in percent, of a latency of a distribution */
function percentAt(index: number): number {
  return Math.round(100 * (LATENCY_SHARES[index] as number));
}

function LatencyTable({ id, title, models }: LatencyTableProps): VNode {
  const rows = LATENCY_SHARES.map((_, i) => [
    textCell(tieShares(`${percentAt(i)} %`)),
    ...models.map(({ milliseconds }) => numberCell(milliseconds[i], formatSmall)),
  ]);
  const columns = columnsOf('Frames', ...models.map(({ series }) => `#${series.name}`));
  return <Table id={id} caption={title} columns={columns} rows={rows} />;
}

interface LatencyTableProps {
  readonly id: string;
  readonly title: string;
  readonly models: readonly Latencies[];
}
