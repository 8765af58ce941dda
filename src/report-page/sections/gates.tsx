import { formatBytes, formatFlips, formatNumber, formatSeconds, formatSmall } from '../format.js';
import { columnsOf, numberCell, seriesCell, textCell, verdictCell } from '../parts/cells.js';
import type { Section } from '../parts/section.js';
import { Table } from '../parts/table.js';
import type { View } from '../view.js';

/** A limit may be near what was found: gates show a digit more than other tables. */
const finePercent = (share: number): string => `${formatNumber(100 * share, 2)}\u00a0%`;
const finePoints = (difference: number): string => `${formatNumber(100 * difference, 2)}\u00a0points`;
const fineFlips = (value: number): string =>
  Number.isInteger(value) ? formatFlips(value) : finePercent(value);

/** How limits are written, by what is in the name of their gate. */
const FORMATS: readonly [part: string, format: (value: number) => string][] = [
  ['bytes', formatBytes],
  ['flips', fineFlips],
  ['gap', finePoints],
  ['drop', finePoints],
  ['accuracy', finePercent],
  ['seconds', formatSeconds],
];

/** The gates of all payloads; absent without any. */
export function gatesSection({ candidates }: View): Section | undefined {
  const rows = candidates.flatMap(({ candidate, series }) =>
    candidate.checks.map(({ id, limit, value, isMet, message }) => {
      const format = FORMATS.find(([part]) => id.includes(part))?.[1] ?? formatSmall;
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
