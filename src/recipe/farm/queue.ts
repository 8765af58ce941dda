import { hostname } from 'node:os';
import type { Job, JobsOptions, Queue, Worker } from 'bullmq';
import { NeuralDiffError } from '../../model/errors.js';

/** Name of the queue in Redis, and prefix of its keys. */
const NAME = 'neural-diff';

/** Times that a job is tried which fails. */
const TRIES = 3;

/** Times that a job is taken up again whose worker was lost: it may be the job that ends its workers. */
const LOST_WORKERS = 10;

/** Milliseconds after which a worker that does not renew its lock counts as lost. */
const LOCK = 15_000;

/** Milliseconds between looks for jobs of lost workers. */
const STALL_CHECK = 5_000;

/** Milliseconds until a Redis that does not answer counts as unreachable. */
const PATIENCE = 10_000;

/** Ended jobs that Redis keeps, for their durations and errors. */
const KEPT = 1_000;

/** What a job of the queue is. */
export interface QueuedJob {
  readonly id: string;
  readonly data: object;
  /** Reports that a worker sent last. */
  readonly progress: unknown;
}

/** How a job of the queue stands. */
export type JobStanding =
  | { readonly state: 'unknown' | 'waiting' | 'done' }
  | { readonly state: 'running'; readonly progress: unknown }
  | { readonly state: 'failed'; readonly reason: string };

/** What a queue has. */
export interface QueueFacts {
  readonly waiting: number;
  readonly running: number;
  readonly failed: readonly { readonly id: string; readonly reason: string; readonly tries: number }[];
  /** Of those that ended last. */
  readonly seconds: readonly number[];
  readonly workers: readonly string[];
}

/** A queue of jobs on Redis; the door to BullMQ. */
export class JobQueue {
  readonly #url: string;
  readonly #queue: Queue;

  private constructor(url: string, queue: Queue) {
    this.#url = url;
    this.#queue = queue;
  }

  /**
   * Connects to a queue.
   *
   * @param url `redis://[:password@]host[:port][/database]`, or `rediss://` for TLS
   * @throws NeuralDiffError `missing-package` without BullMQ, `network` if Redis cannot be reached;
   *   RangeError for another URL
   */
  static async connect(url: string): Promise<JobQueue> {
    const { Queue } = await importBullMq();
    const queue = new Queue(NAME, { connection: connectionOf(url) });
    let last: Error | undefined;
    queue.on('error', (error) => {
      last = error;
    });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, PATIENCE, false);
    });
    const isReady = await Promise.race([queue.waitUntilReady(), timeout]).catch((error) => {
      last = error;
      return false as const;
    });
    clearTimeout(timer);
    if (isReady !== false) return new JobQueue(url, queue);
    queue.disconnect().catch(() => {});
    const why = last === undefined ? `no answer in ${PATIENCE / 1000} s` : last.message;
    throw new NeuralDiffError('network', `Cannot use the queue at ${withoutPassword(url)}: ${why}`, {
      cause: last,
    });
  }

  /** Queues jobs that are not queued or running; those that failed stay as they are. */
  async add(jobs: readonly Pick<QueuedJob, 'id' | 'data'>[]): Promise<void> {
    await this.#queue.addBulk(jobs.map(({ id, data }) => ({ name: 'job', data, opts: optionsOf(id) })));
  }

  /** @returns how a job stands */
  async standing(id: string): Promise<JobStanding> {
    const job = await this.#queue.getJob(id);
    const state = await job?.getState();
    if (job === undefined || state === undefined || state === 'unknown') return { state: 'unknown' };
    if (state === 'failed') return { state, reason: job.failedReason };
    if (state === 'active') return { state: 'running', progress: job.progress };
    return { state: state === 'completed' ? 'done' : 'waiting' };
  }

  /** Forgets a job that has ended, so that it can be queued again. */
  async forget(id: string): Promise<void> {
    await this.#queue.remove(id);
  }

  /** Reads what `farm status` prints. */
  async facts(): Promise<QueueFacts> {
    const counts = await this.#queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active');
    const { active = 0, ...others } = counts;
    const [failed, ended, workers] = await Promise.all([
      this.#queue.getFailed(0, KEPT),
      this.#queue.getCompleted(0, 49),
      this.#queue.getWorkers(),
    ]);
    const secondsOf = ({ processedOn = 0, finishedOn = 0 }: Job): number => (finishedOn - processedOn) / 1000;
    return {
      waiting: Object.values(others).reduce((sum, count) => sum + count, 0),
      running: active,
      failed: failed.map(({ id, failedReason, attemptsMade }) => {
        return { id: id as string, reason: failedReason, tries: attemptsMade };
      }),
      seconds: ended.map(secondsOf),
      workers: workers.map(({ rawname = '', name }) => (rawname.split(':w:')[1] ?? name) as string),
    };
  }

  /** Queues the jobs again that have failed. @returns how many */
  async retry(): Promise<number> {
    const failed = await this.#queue.getFailed(0, -1);
    for (const job of failed) await job.retry('failed', { resetAttemptsMade: true });
    return failed.length;
  }

  /** Removes the jobs that wait; running ones go on. @returns how many */
  async drain(): Promise<number> {
    const before = await this.facts();
    await this.#queue.drain(true);
    return before.waiting - (await this.facts()).waiting;
  }

  /**
   * Takes jobs, one a slot, until the signal is aborted; then running jobs are given back.
   *
   * @param handle works on a job; a job for which it returns a delay in milliseconds is given back and comes
   *   again after that, by this worker or another; what it throws counts as a try
   * @param signal what stops the worker
   */
  async work(
    handle: (job: QueuedJob, report: (progress: object) => void) => Promise<number | undefined>,
    { slots, signal }: { readonly slots: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { Worker, DelayedError } = await importBullMq();
    const process = async (job: Job, token?: string): Promise<void> => {
      const report = (progress: object): void => {
        job.updateProgress(progress).catch(() => {});
      };
      const giveBack = async (delay: number): Promise<never> => {
        await job.moveToDelayed(Date.now() + delay, token);
        throw new DelayedError();
      };
      let delay: number | undefined;
      try {
        delay = await handle({ id: job.id as string, data: job.data, progress: job.progress }, report);
      } catch (error) {
        if (!signal.aborted) throw error;
        delay = 0;
      }
      if (delay !== undefined) await giveBack(delay);
    };
    const worker: Worker = new Worker(NAME, process, {
      connection: connectionOf(this.#url),
      name: `${hostname()}-${globalThis.process.pid}`,
      concurrency: slots,
      lockDuration: LOCK,
      stalledInterval: STALL_CHECK,
      maxStalledCount: LOST_WORKERS,
    });
    // Connections are made again by themselves.
    worker.on('error', () => {});
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await worker.close();
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    await this.#queue.close();
  }
}

function optionsOf(jobId: string): JobsOptions {
  const backoff = { type: 'exponential', delay: 1_000 };
  return { jobId, attempts: TRIES, backoff, removeOnComplete: { count: KEPT } };
}

function connectionOf(url: string) {
  const isUrl = /^rediss?:\/\//.test(url) && URL.canParse(url);
  if (!isUrl)
    throw new RangeError(`Cannot use queue "${url}": expected redis://host:6379 or rediss://host:6379`);
  // A command waits for as long as Redis restarts.
  return { url, maxRetriesPerRequest: null };
}

/** @returns a URL that may be printed */
function withoutPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password &&= '***';
  return parsed.href;
}

async function importBullMq() {
  try {
    return await import('bullmq');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message = 'Cannot use a queue: run "npm install bullmq@6 ioredis@6" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}
