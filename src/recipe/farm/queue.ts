import { hostname } from 'node:os';
import type { Job, JobsOptions, Queue, Worker } from 'bullmq';
import { connectionOf, importBullMq, QUEUE_NAME, waitUntilReady } from './redis.js';

/** Times that a job is tried which fails. */
const TRIES = 3;

/** Times that a job is taken up again whose worker was lost: it may be the job that ends its workers. */
const LOST_WORKERS = 10;

/** Milliseconds after which a worker that does not renew its lock counts as lost. */
const LOCK = 15_000;

/** Milliseconds between looks for jobs of lost workers. */
const STALL_CHECK = 5_000;

/** Ended jobs that Redis keeps, for their durations and errors. */
const KEPT = 1_000;

/** Jobs that one command adds, or that are asked for at once. */
const SLICE = 500;

/** Failed jobs of which the facts tell why. */
const TOLD = 100;

/** What a job of the queue is. */
export interface QueuedJob {
  readonly id: string;
  readonly data: object;
  /** Times that workers have taken it up, this one included. */
  readonly taken: number;
}

/** A job to be queued. */
export interface NewJob extends Pick<QueuedJob, 'id' | 'data'> {
  /** Whether it comes before those that wait. */
  readonly isFirst?: boolean;
}

/** How a job of the queue stands. */
export type JobStanding =
  | { readonly state: 'unknown' | 'open' | 'done' }
  | { readonly state: 'failed'; readonly reason: string };

/** What a queue has. */
export interface QueueFacts {
  readonly waiting: number;
  readonly running: number;
  readonly failed: number;
  /** Those that failed last, at most 100. */
  readonly failures: readonly { readonly id: string; readonly reason: string; readonly tries: number }[];
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
    const queue = new Queue(QUEUE_NAME, { connection: connectionOf(url) });
    await waitUntilReady(queue, url);
    return new JobQueue(url, queue);
  }

  /** Queues jobs that are not queued or running; those that failed stay as they are. */
  async add(jobs: readonly NewJob[]): Promise<void> {
    for (const slice of slicesOf(jobs))
      await this.#queue.addBulk(slice.map((job) => ({ name: 'job', data: job.data, opts: optionsOf(job) })));
  }

  /** @returns how jobs stand, in their order */
  async standings(ids: readonly string[]): Promise<JobStanding[]> {
    const standings: JobStanding[] = [];
    for (const slice of slicesOf(ids))
      standings.push(...(await Promise.all(slice.map((id) => this.standing(id)))));
    return standings;
  }

  /** @returns how a job stands; open: it waits or runs, which Redis would have to search its lists for */
  async standing(id: string): Promise<JobStanding> {
    const job: Job | undefined = await this.#queue.getJob(id);
    if (job === undefined) return { state: 'unknown' };
    if (!job.finishedOn) return { state: 'open' };
    return job.failedReason ? { state: 'failed', reason: job.failedReason } : { state: 'done' };
  }

  /**
   * Tells of jobs that end, and of the reports of those that run, from now on. Events may be missed while
   * Redis restarts.
   *
   * @returns what ends this
   */
  async follow(told: {
    readonly onEnd: (id: string) => void;
    readonly onProgress: (id: string, progress: unknown) => void;
  }): Promise<() => Promise<void>> {
    const { QueueEvents } = await importBullMq();
    const events = new QueueEvents(QUEUE_NAME, { connection: connectionOf(this.#url) });
    events.on('error', () => {});
    events.on('completed', ({ jobId }) => told.onEnd(jobId));
    events.on('failed', ({ jobId }) => told.onEnd(jobId));
    events.on('progress', ({ jobId, data }) => told.onProgress(jobId, data));
    await events.waitUntilReady();
    return () => events.close();
  }

  /** Forgets a job that has ended, so that it can be queued again. */
  async forget(id: string): Promise<void> {
    await this.#queue.remove(id);
  }

  /** Lets jobs come at once that were given back with a delay; looks at the first 500 of those. */
  async wake(isMeant: (data: object) => boolean): Promise<void> {
    const delayed: Job[] = await this.#queue.getDelayed(0, SLICE - 1);
    const meant = delayed.filter(({ data }) => isMeant(data));
    // Another one may have taken it meanwhile.
    await Promise.all(meant.map((job) => job.promote().catch(() => undefined)));
  }

  /** @returns the names of the workers that are connected */
  async workers(): Promise<string[]> {
    const workers = await this.#queue.getWorkers();
    return workers.map(({ rawname = '', name }) => (rawname.split(':w:')[1] ?? name) as string);
  }

  /** Reads what `farm status` prints. */
  async facts(): Promise<QueueFacts> {
    const [counts, failed, ended, workers] = await Promise.all([
      this.#queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active', 'failed'),
      this.#queue.getFailed(0, TOLD - 1),
      this.#queue.getCompleted(0, 49),
      this.workers(),
    ]);
    const secondsOf = ({ processedOn = 0, finishedOn = 0 }: Job): number => (finishedOn - processedOn) / 1000;
    return {
      waiting: waitingOf(counts),
      running: counts.active ?? 0,
      failed: counts.failed ?? 0,
      failures: failed.map(({ id, failedReason, attemptsMade }) => {
        return { id: id as string, reason: failedReason, tries: attemptsMade };
      }),
      seconds: ended.map(secondsOf),
      workers,
    };
  }

  /** Queues the jobs again that have failed. @returns how many */
  async retry(): Promise<number> {
    let count = 0;
    for (const slice of slicesOf(await this.#queue.getRanges(['failed'])))
      for (const isQueued of await Promise.all(slice.map((id) => this.#retryOne(id)))) count += isQueued;
    return count;
  }

  /** @returns how many that are: none if another one has queued it meanwhile */
  async #retryOne(id: string): Promise<number> {
    const job: Job | undefined = await this.#queue.getJob(id);
    if (!(await job?.isFailed())) return 0;
    await job?.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
    return 1;
  }

  /** Removes the jobs that wait, some at a time, as workers ask meanwhile. @returns how many */
  async drain(): Promise<number> {
    let count = 0;
    for (const state of ['wait', 'prioritized', 'delayed'] as const) {
      for (;;) {
        const removed = await this.#queue.clean(0, SLICE, state);
        if (removed.length === 0) break;
        count += removed.length;
      }
    }
    return count;
  }

  /**
   * Takes jobs, one a slot, until the signal is aborted; then running jobs are given back.
   *
   * @param handle works on a job; a job for which it returns a delay in milliseconds is given back and comes
   *   again after that, by this worker or another; what it throws counts as a try, and a `HopelessError` as
   *   the last one
   * @param signal what stops the worker
   */
  async work(
    handle: (job: QueuedJob, report: (progress: object) => void) => Promise<number | undefined>,
    { slots, signal }: { readonly slots: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { Worker, DelayedError, UnrecoverableError } = await importBullMq();
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
        delay = await handle({ id: job.id as string, data: job.data, taken: job.attemptsStarted }, report);
      } catch (error) {
        if (!signal.aborted)
          throw error instanceof HopelessError ? new UnrecoverableError(error.message) : error;
        delay = 0;
      }
      if (delay !== undefined) await giveBack(delay);
    };
    const worker: Worker = new Worker(QUEUE_NAME, process, {
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

/** What a handler throws of a job that fails each time that it is tried. */
export class HopelessError extends Error {}

function optionsOf({ id: jobId, isFirst = false }: NewJob): JobsOptions {
  const backoff = { type: 'exponential', delay: 1_000 };
  return { jobId, lifo: isFirst, attempts: TRIES, backoff, removeOnComplete: { count: KEPT } };
}

function waitingOf({ waiting = 0, prioritized = 0, delayed = 0 }: Record<string, number>): number {
  return waiting + prioritized + delayed;
}

function slicesOf<T>(items: readonly T[]): T[][] {
  const slices: T[][] = [];
  for (let at = 0; at < items.length; at += SLICE) slices.push(items.slice(at, at + SLICE));
  return slices;
}
