// The report of a task, from real measurements: npm run -s demo -- report.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findTask, TASKS } from '../tasks/index.js';
import { BENCHES, makeReport } from './make-report.js';

const HELP = `Trains a base model, its full fine-tune and four diffs, and makes a report of them (4 to 5 minutes).

  npm run -s demo -- report               keywords; prints the path of the page and what the gates say
  npm run -s demo -- report --task NAME   another task: ${TASKS.map(({ name }) => name).join(', ')}
  npm run -s demo -- report --json        one JSON document on stdout
  npm run -s demo -- report --seed 2 --out DIR
`;

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    task: { type: 'string', default: 'keywords' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

async function run(): Promise<void> {
  const { task, seed } = flags;
  findTask(task);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new DOMException('Interrupted', 'AbortError')));
  const start = performance.now();
  const { report, out, status } = await makeReport({
    task,
    seed: Number(seed),
    folder: flags.out ?? join('.cache', 'reports', task),
    bench: BENCHES,
    signal: stop.signal,
    say: (text) => process.stderr.write(`${seconds(start).padStart(5)} s  ${text}\n`),
  });
  const { advice } = report;
  const path = join(out, 'report.html');
  const json = {
    path,
    status,
    isPassed: advice.isPassed,
    headline: advice.headline,
    seconds: Number(seconds(start)),
  };
  process.stdout.write(
    flags.json
      ? `${JSON.stringify(json, null, 2)}\n`
      : `${path}\ngates ${advice.isPassed ? 'passed' : 'FAILED'}: ${advice.headline}\n`,
  );
}

const seconds = (start: number): string => ((performance.now() - start) / 1000).toFixed(0);

if (flags.help) process.stdout.write(HELP);
else await run();
