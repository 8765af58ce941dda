// What a farm adds to training, and how many jobs its queue takes: npm run -s bench -- farm [--quick]
// [--part queue|sweeps].

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Goal, printBench } from './common/report.js';
import { measureQueue, type QueueRow } from './farm/queue-load.js';
import { measureSweeps, type SweepRow } from './farm/sweeps.js';

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean' }, part: { type: 'string' }, json: { type: 'boolean' } },
});
const PARTS = ['queue', 'sweeps', undefined];
if (!PARTS.includes(flags.part))
  throw new RangeError(`Cannot measure "${flags.part}": expected queue or sweeps`);

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-farm-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
// Processes that were started end with this one.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));

const start = performance.now();
const queued = flags.part === 'sweeps' ? [] : await measureQueue(flags.quick ? 10_000 : 100_000, folder);
const swept = flags.part === 'queue' ? [] : await measureSweeps(folder, flags.quick ? 2 : 4);
const none = { perSecond: null, redisBytes: null, workerBytes: null };
printBench({
  bench: 'farm',
  seconds: (performance.now() - start) / 1000,
  rows: [...queued, ...swept.map((row) => ({ ...row, ...none }))],
  goals: [...sweepGoals(swept), ...queueGoals(queued)],
});

function sweepGoals([local, one, two]: readonly SweepRow[]): Goal[] {
  if (local === undefined || one === undefined || two === undefined) return [];
  const overhead = (one.seconds - local.seconds) / one.jobs;
  return [
    { id: 'farm.speedup.2-workers', value: two.seconds / one.seconds, goal: 0.6, better: 'lower' },
    { id: 'farm.job-overhead-seconds', value: overhead, goal: 2, better: 'lower' },
  ];
}

function queueGoals([enqueue]: readonly QueueRow[]): Goal[] {
  if (enqueue === undefined) return [];
  return [{ id: 'farm.enqueue-per-second', value: enqueue.perSecond, goal: 2_000, better: 'higher' }];
}
