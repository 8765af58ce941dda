// Tuning against random search and the defaults: npm run -s bench -- tune. With --part network, the search
// for networks of less time.
import { readFlags } from './common/flags.js';
import { printBench } from './common/report.js';
import { runUnits } from './common/units.js';
import { runNetworkBench } from './tune/network.js';
import type { TuneUnitResult } from './tune/result.js';
import { goalsOf, rowsOf } from './tune/rows.js';
import type { TuneUnit } from './tune/unit.js';

/** Whole trials after which the best is looked at. */
const TRIALS = [12, 24, 48];

const TASKS = ['keywords', 'intents'];

const UNIT = new URL('./tune/unit.js', import.meta.url);

if (process.argv.includes('--part')) await runNetworkBench();

const flags = await readFlags({
  name: 'tune',
  does: 'Compares tune with random search and with train auto at 0.3 % of the model',
  time: 'hours; --quick with fewer examples',
});
const tasks = TASKS.filter((task) => flags.tasks.includes(task));
const { quick, seeds, data } = flags;
const start = performance.now();
const units = seeds.flatMap((seed) =>
  tasks.map((task): TuneUnit => ({ task, seed, quick, data, trials: TRIALS, known: [], isCompared: true })),
);
const results = await runUnits<TuneUnit, TuneUnitResult>(UNIT, units);
// The same searches again, by those who know the searches of the other tasks and seeds.
const knowing = units.map((unit): TuneUnit => {
  const others = results.filter(({ task, seed }) => task !== unit.task || seed !== unit.seed);
  return { ...unit, trials: TRIALS.slice(0, 1), known: others.map((each) => each.trials), isCompared: false };
});
const known = await runUnits<TuneUnit, TuneUnitResult>(UNIT, knowing);
const rows = rowsOf(results, known);
const seconds = (performance.now() - start) / 1000;
printBench({ bench: 'tune', seconds, rows, goals: goalsOf(rows, results) });
