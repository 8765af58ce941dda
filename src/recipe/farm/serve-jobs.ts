import { join, resolve, sep } from 'node:path';
import { describeFailure, NeuralDiffError, reviveFailure } from '../../model/errors.js';
import { fineTuneSpec, type JobSpec, jobId, readJobSpec, recipeDigest } from './job-spec.js';
import { HopelessError, type JobQueue, type QueuedJob } from './queue.js';
import { type JobPlace, runJob } from './run-job.js';

/** What a worker says of a job. */
export interface WorkerEvent {
  readonly id: string;
  readonly type: 'began' | 'done' | 'kept' | 'failed' | 'given-back';
  readonly what: string;
  /** Why it failed or was given back. */
  readonly error?: Error;
}

/** How a worker serves a queue. */
export interface WorkerOptions extends Omit<JobPlace, 'onStep' | 'signal'> {
  /** Jobs at once. */
  readonly slots: number;
  /** Digests of the recipes that it may run: a recipe is code. */
  readonly recipes: ReadonlySet<string>;
  readonly signal: AbortSignal;
  readonly onEvent: (event: WorkerEvent) => void;
}

/**
 * Milliseconds until a job comes again that waits for its full fine-tune; twice as many each time, so that
 * thousands of them leave Redis and the store alone.
 */
const FINE_TUNE_WAIT = { least: 500, most: 30_000 };

/** Milliseconds until a job comes again that this worker cannot run; twice as many each time. */
const REFUSED_WAIT = { least: 2_000, most: 10_000 };

/** Milliseconds between reports of progress. */
const REPORT_INTERVAL = 1_000;

/** Faults of the job that come again each time that it is tried. */
const HOPELESS: readonly string[] = [
  ...['bad-document', 'budget-impossible', 'training-diverged', 'recipe-invalid', 'wrong-layout'],
];

/** Faults of the machine, not of the job: others may run it. */
const OF_MACHINE: readonly string[] = [
  ...['no-space', 'no-memory', 'missing-package', 'job-refused', 'network', 'file-unreadable'],
];

/**
 * Runs jobs of a queue, until the signal is aborted; the jobs that it then works on are given back and go on
 * elsewhere after the last epoch that ended. A diff waits for its full fine-tune, which is queued if it is
 * not.
 */
export async function serveJobs(queue: JobQueue, options: WorkerOptions): Promise<void> {
  const server = new Server(queue, options);
  await queue.work((job, report) => server.handle(job, report), options);
}

class Server {
  readonly #queue: JobQueue;
  readonly #options: WorkerOptions;

  constructor(queue: JobQueue, options: WorkerOptions) {
    this.#queue = queue;
    this.#options = options;
  }

  /** @returns the milliseconds after which the job is to come again, if it is given back */
  async handle(job: QueuedJob, report: (progress: object) => void): Promise<number | undefined> {
    const { onEvent, signal } = this.#options;
    let event = { id: job.id, what: 'a job that cannot be read' };
    try {
      const spec = readJobSpec(job.data);
      event = { id: job.id, what: describeJob(spec) };
      checkId(spec, job);
      this.#checkRecipe(spec);
      if (!(await this.#hasFineTune(spec))) return waitOf(FINE_TUNE_WAIT, job);
      onEvent({ ...event, type: 'began' });
      const { isKept } = await runJob(spec, { ...this.#options, onStep: throttled(report) });
      onEvent({ ...event, type: isKept ? 'kept' : 'done' });
      if (spec.type === 'fine-tune') await this.#queue.wake((data) => needs(data, job.id));
      return undefined;
    } catch (error) {
      const isOfMachine = error instanceof NeuralDiffError && OF_MACHINE.includes(error.code);
      const isBack = isOfMachine || signal.aborted;
      onEvent({ ...event, type: isBack ? 'given-back' : 'failed', error: error as Error });
      if (isOfMachine) return waitOf(REFUSED_WAIT, job);
      if (signal.aborted) throw error;
      throw failureOf(error as Error, this.#options.work);
    }
  }

  #checkRecipe({ recipe }: JobSpec): void {
    const digest = recipeDigest(recipe);
    if (this.#options.recipes.has(digest)) return;
    const message = `Cannot run recipe "${recipe.main}": it is code that this worker was not told to run; if you trust it, start the worker with --allow-recipe ${digest}`;
    throw new NeuralDiffError('job-refused', message, { facts: { recipe: digest } });
  }

  /** Queues the full fine-tune that is missing. */
  async #hasFineTune(spec: JobSpec): Promise<boolean> {
    const teacher = fineTuneSpec(spec);
    if (teacher === undefined) return true;
    const id = jobId(teacher);
    const standing = await this.#queue.standing(id);
    if (standing.state === 'open') return false;
    if (await this.#options.store.readResult(id)) return true;
    if (standing.state === 'failed') throw readReason(standing.reason);
    if (standing.state === 'done') await this.#queue.forget(id);
    await this.#queue.add([{ id, data: teacher, isFirst: true }]);
    return false;
  }
}

/** @returns a job in words */
export function describeJob(spec: JobSpec): string {
  return `${productOf(spec)}, seed ${spec.seed}, ${spec.recipe.main}`;
}

function productOf(spec: JobSpec): string {
  if (spec.type === 'diff') return `${spec.kind} of ${spec.budget} bytes`;
  if (spec.type === 'fine-tune') return 'full fine-tune';
  if (spec.type === 'predict') return `predictions of ${spec.base.main}, ${spec.base.chain.length} payloads`;
  const chosen = Object.entries(spec.configuration).map(([name, value]) => `${name}=${value}`);
  return `network ${chosen.join(' ')}, ${spec.epochs} epochs`;
}

function checkId(spec: JobSpec, { id }: QueuedJob): void {
  if (jobId(spec) === id) return;
  throw new NeuralDiffError('bad-document', `Cannot run job ${id}: expected the digest of its data as id`);
}

/** Whether a job is a diff that waits for a full fine-tune. */
function needs(data: object, fineTune: string): boolean {
  try {
    const teacher = fineTuneSpec(readJobSpec(data));
    return teacher !== undefined && jobId(teacher) === fineTune;
  } catch {
    return false;
  }
}

function waitOf({ least, most }: { least: number; most: number }, { taken }: QueuedJob): number {
  return Math.min(most, least * 2 ** (taken - 1));
}

/** @returns an error whose message is what Redis keeps of a job's error: files as the job names them */
function failureOf(cause: Error, work: string): Error {
  const inJson = (path: string): string =>
    JSON.stringify(path)
      .slice(1, -1)
      .replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const copies = new RegExp(
    `(file://)?${inJson(join(resolve(work), '/'))}[0-9a-f]{12}-\\w+${inJson(sep)}`,
    'g',
  );
  const text = JSON.stringify(describeFailure(cause)).replaceAll(copies, '');
  const isHopeless = cause instanceof NeuralDiffError && HOPELESS.includes(cause.code);
  return isHopeless ? new HopelessError(text, { cause }) : new Error(text, { cause });
}

/** @returns the error of a job that failed */
export function readReason(reason: string): Error {
  try {
    return reviveFailure(JSON.parse(reason));
  } catch {
    // Of the queue itself: too many workers were lost.
    return new NeuralDiffError('worker-lost', `Cannot run the job: ${reason}`);
  }
}

/** @returns a function that passes on one report a second */
function throttled<T>(report: (value: T) => void): (value: T) => void {
  let last = 0;
  return (value) => {
    if (Date.now() - last < REPORT_INTERVAL) return;
    last = Date.now();
    report(value);
  };
}
