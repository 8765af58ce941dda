import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { endOf, endWithThis } from './children.js';
import { startRedis } from './redis.js';

const MAIN = join(import.meta.dirname, '..', '..', 'cli', 'main.js');

/** Epochs of the diffs: jobs of some ten seconds, next to which the start of a thread is little. */
const EPOCHS = 120;

/** A sweep, and what trains it. */
export interface SweepRow {
  readonly [column: string]: string | number | null;
  readonly step: string;
  /** Full fine-tunes and diffs. */
  readonly jobs: number;
  readonly seconds: number;
}

/** Trains the same sweep in threads, one at a time, and on a farm of one and of two workers. */
export async function measureSweeps(folder: string, seeds: number): Promise<SweepRow[]> {
  const at = (name: string): string => join(folder, name);
  await run('init', at('project'));
  const list = Array.from({ length: seeds }, (_, i) => i + 1).join(',');
  const project = ['--base', at('project/models/v1'), '--recipe', at('project/recipe.mjs')];
  const grid = ['--kinds', 'hash,sparse', '--budgets', '2%', '--seeds', list, '--epochs', String(EPOCHS)];
  const sweep = (out: string, ...more: string[]): Promise<number> =>
    run('sweep', ...project, ...grid, '-o', at(out), ...more);
  const rows: SweepRow[] = [];
  const add = (step: string, seconds: number): void => void rows.push({ step, jobs: 3 * seeds, seconds });
  add('sweep, 1 thread', await sweep('local', '--workers', '1'));
  for (const count of [1, 2]) {
    const redis = await startRedis(at(`redis-${count}`));
    const store = ['--queue', redis.url, '--store', at(`store-${count}`)];
    const place = (i: number): string[] => ['--recipes', at('project'), '--work', at(`work-${count}-${i}`)];
    const workers: ChildProcess[] = [];
    for (let i = 0; i < count; i++) workers.push(await startWorker(...store, ...place(i)));
    add(`sweep, farm of ${count}`, await sweep(`farm-${count}`, ...store));
    for (const worker of workers) await endOf(worker);
    await redis.stop();
  }
  return rows;
}

/** Runs the program to its end. @returns the seconds that it took */
async function run(...args: string[]): Promise<number> {
  process.stderr.write(`neural-diff ${args.join(' ')}\n`);
  const start = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args, '-q'], { stdio: ['ignore', 'ignore', 'inherit'] });
  endWithThis(child);
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(`Cannot measure: expected status 0 of "${args[0]}", got ${status}`);
  return (performance.now() - start) / 1000;
}

/** @returns a worker that is ready */
async function startWorker(...flags: string[]): Promise<ChildProcess> {
  const args = [MAIN, 'farm', 'worker', ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  endWithThis(child);
  for await (const line of child.stderr) if (String(line).includes('ready')) break;
  child.stderr.resume();
  return child;
}
