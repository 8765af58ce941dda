import { streamingWords, streamTables } from '../../streaming.js';
import { tieShares } from '../format.js';
import type { Section } from '../parts/section.js';
import { columnsOf, numberCell, seriesCell, Table } from '../parts/table.js';
import type { View } from '../view.js';

/** How the models work through streams of frames, a table for each thread; absent unless measured. */
export function streamingSection({ report, models }: View): Section | undefined {
  const { streaming } = report;
  if (streaming === undefined) return undefined;
  const streamed = models.map(({ series, model }) => ({ name: series, streams: model.streams }));
  const tables = streamTables(streaming, streamed);
  if (tables.length === 0) return undefined;
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
