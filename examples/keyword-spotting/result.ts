import { type DiffComparison, type DiffRow, formatComparison } from '../common/result.js';
import { alignColumns, percent } from '../common/table.js';
import type { UpdateRow } from './updates.js';

/** One diff, from payload to patched device. */
export interface DeviceRow extends DiffRow {
  readonly applyMilliseconds: number;
  /** Packages that the device process loaded. */
  readonly deviceModules: readonly string[];
}

/** What the demo prints with `--json`. */
export interface DemoResult extends DiffComparison {
  readonly source: string;
  /** Clips of the update. */
  readonly clips: { readonly train: number; readonly test: number };
  readonly diffs: readonly DeviceRow[];
}

/** @returns the result as a table for people */
export function formatResult(result: DemoResult): string {
  const { diffs, clips } = result;
  const more = [
    ['applied in', 'packages on the device'],
    ...[
      ['', ''],
      ['', ''],
    ],
    ...diffs.map((diff) => [`${diff.applyMilliseconds.toFixed(0)} ms`, diff.deviceModules.join(' ')]),
  ];
  const facts = `${result.source}: ${clips.train} clips to learn from, ${clips.test} to test on`;
  return formatComparison(result, facts, more);
}

/** @returns consecutive updates as a table for people */
export function formatUpdates(updates: readonly UpdateRow[]): string {
  const rows = [
    ['update', 'adds', 'before', 'full fine-tune', 'after', 'bytes', 'share', 'bit exact'],
    ...updates.map((row) => [
      ...[`${row.update}`, row.speakers, percent(row.before), percent(row.full), percent(row.after)],
      ...[`${row.payloadBytes}`, `${(100 * row.share).toFixed(2)} %`, row.bitExact ? 'yes' : 'NO'],
    ]),
  ];
  return `\n${alignColumns(rows)}\n`;
}
