import { NeuralDiffError } from '../../model/errors.js';
import { fineTuneSpec, type JobSpec, jobId, readJobSpec, recipeDigest } from './job-spec.js';
import type { JobQueue, QueuedJob } from './queue.js';
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

/** Milliseconds until a job comes again that waits for its full fine-tune. */
const FINE_TUNE_WAIT = 500;

/** Milliseconds until a job comes again that this worker cannot run. */
const REFUSED_WAIT = 2_000;

/** Milliseconds between reports of progress. */
const REPORT_INTERVAL = 1_000;

/** Faults of the machine, not of the job: others may run it. */
const OF_MACHINE: readonly string[] = ['no-space', 'no-memory', 'missing-package', 'job-refused'];

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
    const spec = readJobSpec(job.data);
    const event = { id: job.id, what: describeJob(spec) };
    try {
      if (jobId(spec) !== job.id)
        throw new NeuralDiffError(
          'bad-document',
          `Cannot run job ${job.id}: expected the digest of its data as id`,
        );
      this.#checkRecipe(spec);
      if (spec.type === 'diff' && !(await this.#hasFineTune(spec))) return FINE_TUNE_WAIT;
      onEvent({ ...event, type: 'began' });
      const { isKept } = await runJob(spec, { ...this.#options, onStep: throttled(report) });
      onEvent({ ...event, type: isKept ? 'kept' : 'done' });
      return undefined;
    } catch (error) {
      const isOfMachine = error instanceof NeuralDiffError && OF_MACHINE.includes(error.code);
      const isBack = isOfMachine || signal.aborted;
      onEvent({ ...event, type: isBack ? 'given-back' : 'failed', error: error as Error });
      if (isOfMachine) return REFUSED_WAIT;
      throw signal.aborted ? error : new Error(asReason(error as Error), { cause: error });
    }
  }

  #checkRecipe({ recipe }: JobSpec): void {
    const digest = recipeDigest(recipe);
    if (this.#options.recipes.has(digest)) return;
    const message = `Cannot run recipe "${recipe.main}": it is code that this worker was not told to run; if you trust it, start the worker with --allow-recipe ${digest}`;
    throw new NeuralDiffError('job-refused', message, { facts: { recipe: digest } });
  }

  /** Queues the full fine-tune that is missing. */
  async #hasFineTune(spec: Extract<JobSpec, { type: 'diff' }>): Promise<boolean> {
    const teacher = fineTuneSpec(spec);
    if (teacher === undefined) return true;
    const id = jobId(teacher);
    if (await this.#options.store.readResult(id)) return true;
    const standing = await this.#queue.standing(id);
    if (standing.state === 'failed') throw readReason(standing.reason);
    if (standing.state === 'done') await this.#queue.forget(id);
    if (standing.state === 'done' || standing.state === 'unknown')
      await this.#queue.add([{ id, data: teacher }]);
    return false;
  }
}

/** @returns a job in words */
export function describeJob(spec: JobSpec): string {
  const size = spec.type === 'diff' ? `${spec.kind} of ${spec.budget} bytes` : 'full fine-tune';
  return `${size}, seed ${spec.seed}, ${spec.recipe.main}`;
}

/** @returns an error as the text that Redis keeps */
function asReason(error: Error): string {
  const { name, message } = error;
  const code = error instanceof NeuralDiffError ? error.code : undefined;
  return JSON.stringify({ name, message, code });
}

/** @returns the error of a job that failed */
export function readReason(reason: string): Error {
  try {
    const { name, message, code } = JSON.parse(reason);
    if (code) return new NeuralDiffError(code, message);
    return Object.assign(new Error(message), { name });
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
