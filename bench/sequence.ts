// Updates in a row, each trained from what the device has: npm run -s bench:sequence.
import { readFlags } from './flags.js';
import type { Unit } from './prepare.js';
import { printBench } from './report.js';
import { goalsOf, rowsOf, type SequenceResult } from './sequence/result.js';
import { runUnits } from './units.js';

const flags = readFlags({
  name: 'bench:sequence',
  does: 'Measures updates in a row: accuracy on everything so far and on the data of the base',
  time: 'half an hour; --quick 3 minutes',
});

const units = flags.tasks.flatMap((task) =>
  flags.seeds.map((seed): Unit => ({ task, seed, quick: flags.quick, data: flags.data })),
);
const start = performance.now();
const results = await runUnits<Unit, SequenceResult>(new URL('./sequence/unit.js', import.meta.url), units);
const tables = flags.tasks.map((task) => rowsOf(results.filter((result) => result.task === task)));
printBench({
  bench: 'sequence',
  seconds: (performance.now() - start) / 1000,
  rows: tables.flat(),
  goals: tables.flatMap(goalsOf),
});
