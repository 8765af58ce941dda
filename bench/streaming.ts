// A recogniser that spends less when the input is easy, and updates of it: npm run -s bench -- streaming.

import { parseArgs } from 'node:util';
import { forgetAll } from './common/keep.js';
import { printBench } from './common/report.js';
import { runUnits } from './common/units.js';
import { goalsOf, rowsOf, type StreamUnit, type StreamUnitResult } from './streaming/result.js';

const HELP = `Measures an amortized streaming recogniser: accuracy, computation, waiting times (20 minutes for three
seeds on two cores).

  npm run -s bench -- streaming --json      a table on stderr, one JSON document on stdout
  npm run -s bench -- streaming --quick     a short run: one seed, a tenth of the streams
  npm run -s bench -- streaming --updates   hash and sparse diffs of its parts too: 20 minutes more for each seed
  npm run -s bench -- streaming --seeds 1,2,3
  npm run -s bench -- streaming --fresh     forgets what earlier runs of all benches kept
`;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    updates: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
    seeds: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (values.fresh) await forgetAll();
const { quick, updates } = values;
const seeds = (values.seeds ?? (quick ? '1' : '1,2,3')).split(',').map(Number);
const start = performance.now();
const unit = new URL('./streaming/unit.js', import.meta.url);
const results = await runUnits<StreamUnit, StreamUnitResult>(
  unit,
  seeds.map((seed) => ({ seed, quick, updates })),
);
const rows = rowsOf(results);
printBench({
  bench: 'streaming',
  seconds: (performance.now() - start) / 1000,
  rows,
  goals: goalsOf(rows),
});
