import type { DiffComparison, DiffRow } from '../shared/result.js';
import { alignColumns, percent } from '../shared/table.js';
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
  const { base, full, diffs, clips } = result;
  const rows = [
    ['', 'bytes', 'share', 'accuracy', 'gap', 'bit exact', 'applied in', 'packages on the device'],
    ['base', `${base.bytes}`, '', percent(base.accuracy), '', '', '', ''],
    ['full fine-tune', `${base.bytes}`, '100 %', percent(full.accuracy), '', '', '', ''],
    ...diffs.map((diff) => [
      `${diff.kind} diff`,
      `${diff.payloadBytes}`,
      `${(100 * diff.share).toFixed(2)} %`,
      percent(diff.accuracy),
      `${(100 * diff.gap).toFixed(1)} points`,
      diff.bitExact ? 'yes' : 'NO',
      `${diff.applyMilliseconds.toFixed(0)} ms`,
      diff.deviceModules.join(' '),
    ]),
  ];
  const head = `${base.parameters} weights; ${result.source}: ${clips.train} clips to learn from, ${clips.test} to test on`;
  return `\n${head}\n\n${alignColumns(rows)}\n`;
}

/** @returns updates in a row as a table for people */
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
