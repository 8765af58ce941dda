import { readFlags } from './flags.js';
import type { Unit } from './prepare.js';
import { type BenchResult, type Goal, printBench } from './report.js';
import { runUnits } from './units.js';

/** A bench that trains: what one task with one seed runs, and what its results come to. */
export interface TaskBench<Result, Row> {
  /** As in `npm run -s bench -- accuracy`: `accuracy`. */
  readonly bench: string;
  /** For the help: what it measures, and how long that takes. */
  readonly does: string;
  readonly time: string;
  /** Names of the tasks that it runs by default; all of them by default. */
  readonly tasks?: readonly string[];
  /** Program of a thread that takes a `Unit` and answers with a `Result`. */
  readonly unit: URL;
  /** Of one task, over its seeds. */
  readonly rowsOf: (results: readonly Result[]) => readonly (Row & BenchResult['rows'][number])[];
  readonly goalsOf: (rows: readonly Row[], results: readonly Result[]) => readonly Goal[];
}

/** Reads flags, runs every task with every seed and prints what came out. */
export async function runTaskBench<Result extends Unit, Row>(spec: TaskBench<Result, Row>): Promise<void> {
  const { bench, does, time } = spec;
  const flags = await readFlags({ name: bench, does, time, tasks: spec.tasks });
  const { tasks, seeds, quick, all, data } = flags;
  const units = seeds.flatMap((seed) => tasks.map((task): Unit => ({ task, seed, quick, all, data })));
  const start = performance.now();
  const results = await runUnits<Unit, Result>(spec.unit, units);
  const groups = tasks
    .map((task) => results.filter((result) => result.task === task))
    .filter((group) => group.length > 0);
  const tables = groups.map((group) => ({ group, rows: spec.rowsOf(group) }));
  printBench({
    bench,
    seconds: (performance.now() - start) / 1000,
    rows: tables.flatMap(({ rows }) => rows),
    goals: tables.flatMap(({ rows, group }) => spec.goalsOf(rows, group)),
  });
}
