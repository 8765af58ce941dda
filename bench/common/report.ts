import { describeMachine } from '../../src/report/measure/run-program.js';

/** A measured value and what it should reach. */
export interface Goal {
  /** Stable name: `size.kit-bytes`. */
  readonly id: string;
  readonly value: number | null;
  readonly goal: number;
  readonly better: 'higher' | 'lower';
}

/** What a bench measured; plain numbers in base units. */
export interface BenchResult {
  readonly bench: string;
  readonly seconds: number;
  readonly rows: readonly Readonly<Record<string, string | number | null>>[];
  readonly goals: readonly Goal[];
}

/** Prints a table for people on stderr and, with `--json`, one document on stdout. */
export function printBench(result: BenchResult): void {
  process.stderr.write(`${formatTable(result.rows)}\n\n${formatTable(result.goals.map(judge))}\n`);
  if (!process.argv.includes('--json')) return;
  const machine = describeMachine();
  const { bench, seconds, rows, goals } = result;
  process.stdout.write(`${JSON.stringify({ schema: 1, bench, machine, seconds, rows, goals }, null, 2)}\n`);
}

function judge(goal: Goal) {
  const isReached =
    goal.value !== null && (goal.better === 'higher' ? goal.value >= goal.goal : goal.value <= goal.goal);
  return { ...goal, reached: isReached ? 'yes' : 'no' };
}

/** @returns rows as an aligned text table, one column a key of the first row */
export function formatTable(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => formatCell(row[column])))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => (line[i] as string).length)));
  return cells
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}
