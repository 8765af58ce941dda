// Bytes against accuracy for every kind of diff and for other ways to make updates small: npm run -s bench:accuracy.
import { goalsOf, rowsOf, type UnitResult } from './accuracy/result.js';
import { readFlags } from './flags.js';
import type { Unit } from './prepare.js';
import { printBench } from './report.js';
import { runUnits } from './units.js';

const flags = readFlags({
  name: 'bench:accuracy',
  does: 'Measures bytes against accuracy of diffs and of other methods',
  time: 'about an hour; --quick 3 minutes',
});

const units = flags.tasks.flatMap((task) =>
  flags.seeds.map((seed): Unit => ({ task, seed, quick: flags.quick, data: flags.data })),
);
const start = performance.now();
const results = await runUnits<Unit, UnitResult>(new URL('./accuracy/unit.js', import.meta.url), units);
const groups = flags.tasks.map((task) => results.filter((result) => result.task === task));
const tables = groups.map(rowsOf);
printBench({
  bench: 'accuracy',
  seconds: (performance.now() - start) / 1000,
  rows: tables.flat(),
  goals: groups.flatMap((group, i) => goalsOf(group, tables[i] as ReturnType<typeof rowsOf>)),
});
