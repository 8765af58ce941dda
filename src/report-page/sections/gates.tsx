import { formatLimited } from '../format.js';
import { columnsOf, numberCell, seriesCell, textCell, verdictCell } from '../parts/cells.js';
import type { Section } from '../parts/section.js';
import { Table } from '../parts/table.js';
import type { View } from '../view.js';

/** The gates of all payloads; absent without any. */
export function gatesSection({ candidates }: View): Section | undefined {
  const rows = candidates.flatMap(({ candidate, series }) =>
    candidate.checks.map(({ id, unit, limit, value, isMet, message }) => {
      const format = (each: number): string => formatLimited(each, unit);
      const words = { good: 'held', bad: value === undefined ? 'not measured' : 'not held' };
      return [
        seriesCell(series),
        textCell(id),
        numberCell(limit, format),
        numberCell(value, format),
        verdictCell(isMet, words),
        textCell(message),
      ];
    }),
  );
  if (rows.length === 0) return undefined;
  const columns = columnsOf('Payload', 'Gate', '#Limit', '#Found', 'Result', 'What was found');
  return {
    id: 'gates',
    title: 'Gates',
    content: <Table id="gates-table" caption="What payloads must meet" columns={columns} rows={rows} />,
  };
}
