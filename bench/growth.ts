// What training diffs costs as models grow: steps compared with plain ones, time outside of steps, memory.

import { fork } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchResult, type Goal, printBench } from './common/report.js';
import { NETWORKS } from './growth/networks.js';
import type { GrowthRefusal, GrowthTimes } from './growth/worker.js';

const WORKER = join(import.meta.dirname, 'growth/worker.js');
const MILLION = 1e6;

/** Most that a diff step may cost, in plain steps. */
const DIFF_STEP = 1.2;

/** Most seconds outside of steps for a million weights. */
const SECONDS_PER_MILLION = 0.5;

/** Most memory of the process at its peak, as a multiple of the float32 model. */
const MEMORY_TIMES = 9;

/** Below this many weights the process itself takes more memory than the model. */
const LEAST_FOR_MEMORY = 16 * MILLION;

/** Millions of weights of the network of which only the head is trained. */
const HEAD_SIZE = 300;

/** Most memory of that one: the weights and 2 GiB, as a multiple of the float32 model. */
const HEAD_MEMORY_TIMES = 1 + 2 ** 31 / (4 * HEAD_SIZE * MILLION);

/** Milliseconds for which plain steps and the trainer take turns; a turn that takes longer is run once. */
const TURNS_MS = 10_000;

const KINDS = ['hash', 'sparse'] as const;

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    sizes: { type: 'string', default: '1,4,16' },
    all: { type: 'boolean', default: false },
    network: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (flags.help) {
  process.stdout.write(`Time and memory of training diffs of models that grow (10 minutes; --all an hour).

  npm run -s bench -- growth --json            a table on stderr, one JSON document on stdout
  npm run -s bench -- growth --sizes 1,16,64   millions of weights; default 1,4,16
  npm run -s bench -- growth --all             1, 4, 16, 64 and 128 million weights
  npm run -s bench -- growth --network dense   one network (may be given again): dense, conv, embedding,
                                               head (300 million weights; --all has it, too)
`);
  process.exit(0);
}
const sizes = (flags.all ? '1,4,16,64,128' : flags.sizes).split(',').map(Number);
const names =
  flags.network ?? NETWORKS.map(({ name }) => name).filter((name) => flags.all || name !== 'head');

/** @returns what the case's process measured, or why it did not */
function run(network: string, kind: string, millions: number): Promise<GrowthTimes | GrowthRefusal> {
  process.stderr.write(`${network}, ${millions} million weights: ${kind} …\n`);
  return new Promise((resolve) => {
    const args = [network, kind, String(millions * MILLION), String(TURNS_MS)];
    const child = fork(WORKER, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let result: GrowthTimes | GrowthRefusal | undefined;
    child.on('message', (message) => {
      result = message as GrowthTimes | GrowthRefusal;
      child.kill();
    });
    child.on('exit', (code, signal) => {
      result ??= { refused: `ended with ${code ?? signal}` };
      process.stderr.write(`  ${JSON.stringify(result)}\n`);
      resolve(result);
    });
  });
}

const NO_NUMBERS = {
  weights: null,
  'plain ms': null,
  'diff step': null,
  's outside / million': null,
  's outside, fine-tune': null,
  'peak / model': null,
};
const rows: BenchResult['rows'][number][] = [];
const goals: Goal[] = [];
const start = performance.now();
for (const network of names) {
  for (const millions of network === 'head' ? [HEAD_SIZE] : sizes) {
    const id = `growth.${network}.${millions}m`;
    const found: { seconds: number; memory: number }[] = [];
    for (const kind of KINDS) {
      const times = await run(network, kind, millions);
      if ('refused' in times) {
        rows.push({ network, millions, kind, ...NO_NUMBERS, result: times.refused });
        continue;
      }
      const seconds = times.outsideSeconds / (times.weights / MILLION);
      const memory = times.peakBytes / (4 * times.weights);
      found.push({ seconds, memory });
      rows.push({
        network,
        millions,
        kind,
        weights: times.weights,
        'plain ms': times.plainMs,
        'diff step': times.step,
        's outside / million': seconds,
        's outside, fine-tune': times.fineTuneSeconds,
        'peak / model': memory,
        result: 'trained',
      });
      goals.push({ id: `${id}.${kind}-step`, value: times.step, goal: DIFF_STEP, better: 'lower' });
    }
    if (found.length === 0) continue;
    const most = (of: (each: (typeof found)[number]) => number): number => Math.max(...found.map(of));
    const value = most(({ seconds }) => seconds);
    goals.push({ id: `${id}.seconds-per-million`, value, goal: SECONDS_PER_MILLION, better: 'lower' });
    if (millions * MILLION < LEAST_FOR_MEMORY) continue;
    const times = most(({ memory }) => memory);
    const goal = network === 'head' ? HEAD_MEMORY_TIMES : MEMORY_TIMES;
    goals.push({ id: `${id}.memory-times`, value: times, goal, better: 'lower' });
  }
}
printBench({ bench: 'growth', seconds: (performance.now() - start) / 1000, rows, goals });
