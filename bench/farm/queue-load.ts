import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DiffSpec, jobId } from '../../src/recipe/farm/job-spec.js';
import { JobQueue } from '../../src/recipe/farm/queue.js';
import { queueJobs } from '../../src/recipe/farm/queue-jobs.js';
import { FarmStore } from '../../src/recipe/farm/store.js';
import { endWithThis } from './children.js';
import { type BenchRedis, startRedis } from './redis.js';

/** What a step with many jobs took. */
export interface QueueRow {
  readonly [column: string]: string | number | null;
  readonly step: string;
  readonly jobs: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly redisBytes: number;
  /** Of a worker, at its peak. */
  readonly workerBytes: number | null;
}

const WORKER = join(import.meta.dirname, 'idle-worker.js');

/** Jobs that a worker of the bench runs at once: they wait for Redis, not for a processor. */
const SLOTS = 16;

/** Seconds for which a sweep waits while there is no worker. */
const WAIT = 10;

/** Measures a queue of many jobs of the usual size that are nothing to do. */
export async function measureQueue(count: number, folder: string): Promise<QueueRow[]> {
  const redis = await startRedis(join(folder, 'redis'));
  const queue = await JobQueue.connect(redis.url);
  const rows: QueueRow[] = [];
  const time = async (step: string, run: () => Promise<number | undefined>): Promise<void> => {
    process.stderr.write(`${step} …\n`);
    const start = performance.now();
    const workerBytes = (await run()) ?? null;
    const seconds = (performance.now() - start) / 1000;
    rows.push({
      step,
      jobs: count,
      seconds,
      perSecond: count / seconds,
      redisBytes: redis.memory(),
      workerBytes,
    });
  };
  try {
    const specs = listSpecs(count);
    const jobs = specs.map((data) => ({ id: jobId(data), data }));
    const wait = () => queue.add(jobs).then(() => undefined);
    await time('enqueue', wait);
    await time('look for all', async () => void (await queue.standings(jobs.map(({ id }) => id))));
    await time('status', async () => void (await queue.facts()));
    rows.push(
      await waitForAll(specs, { queue, redis, store: await FarmStore.open({ url: join(folder, 'store') }) }),
    );
    await time('take and finish, 1 worker', () => workThrough(queue, redis.url, 1));
    await wait();
    await time('take and finish, 2 workers', () => workThrough(queue, redis.url, 2));
    await wait();
    await time('drain', async () => void (await queue.drain()));
    return rows;
  } finally {
    await queue.close();
    await redis.stop();
  }
}

/** @returns jobs of different seeds, as large as those of a LayersModel with a recipe */
function listSpecs(count: number): DiffSpec[] {
  const digest = (digit: string): string => digit.repeat(64);
  return Array.from({ length: count }, (_, seed) => ({
    ...{ format: 'neural-diff job', version: 1, package: '0.0.0', type: 'diff', kind: 'hash', budget: 1_000 },
    base: {
      ...{ main: 'model.json', fingerprint: '1'.repeat(32), chain: [] },
      files: { 'model.json': digest('2'), 'group1-shard1of1.bin': digest('3') },
    },
    recipe: { main: 'recipe.mjs', files: { 'recipe.mjs': digest('4') } },
    ...{ seed, backend: 'wasm', options: { epochs: 12 } },
  }));
}

/** Lets workers handle all jobs. @returns the largest memory of one */
async function workThrough(queue: JobQueue, url: string, count: number): Promise<number> {
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker(url)));
  for (;;) {
    const { waiting, running } = await queue.facts();
    if (waiting + running === 0) break;
    await sleep(100);
  }
  return Math.max(...(await Promise.all(workers.map(endWorker))));
}

async function startWorker(url: string): Promise<ChildProcess> {
  const child = fork(WORKER, [url, String(SLOTS)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  endWithThis(child);
  await once(child, 'message');
  return child;
}

async function endWorker(child: ChildProcess): Promise<number> {
  const told = once(child, 'message');
  child.send('stop');
  const [bytes] = await told;
  return bytes as number;
}

/** Commands in half a second below which a sweep waits. */
const QUIET = 300;

/** Measures what a sweep costs that waits for its jobs: commands that Redis gets in a second. */
async function waitForAll(
  specs: readonly DiffSpec[],
  { queue, redis, store }: { queue: JobQueue; redis: BenchRedis; store: FarmStore },
): Promise<QueueRow> {
  process.stderr.write('wait for all …\n');
  const stop = new AbortController();
  const job = { kind: 'hash', base: '', recipe: '', budget: 1_000 } as const;
  const jobs = specs.map((spec) => ({ job, spec }));
  const waiting = queueJobs(jobs, { queue, store, signal: stop.signal }).catch(() => {});
  // It looks for all of them first.
  const least = redis.commands() + specs.length;
  while (redis.commands() < least) await sleep(500);
  for (let last = -QUIET; redis.commands() - last >= QUIET; await sleep(500)) last = redis.commands();
  const before = redis.commands();
  await sleep(WAIT * 1_000);
  const commands = redis.commands() - before;
  stop.abort();
  await waiting;
  return {
    ...{ step: 'wait for all (commands a second)', jobs: specs.length, seconds: WAIT },
    ...{ perSecond: commands / WAIT, redisBytes: redis.memory(), workerBytes: null },
  };
}
