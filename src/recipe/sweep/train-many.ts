import { availableParallelism } from 'node:os';
import type { FineTuned } from '../../train/fine-tune.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { StepReport } from '../../train/training-options.js';
import { fineTuneKey, type TrainingJob } from '../job.js';
import { unknownOptions } from '../options.js';
import { Threads } from './threads.js';
import type { Products, Request } from './worker.js';

/** How a job ended. */
export type Outcome =
  | { readonly status: 'trained'; readonly job: TrainingJob; readonly diff: Omit<TrainedDiff, 'model'> }
  | { readonly status: 'failed'; readonly job: TrainingJob; readonly error: Error };

/** Options of `trainMany`. */
export interface TrainManyOptions {
  /** Concurrent jobs, each in a thread with its own TensorFlow.js; by default one per processor. */
  readonly workers?: number | undefined;
  /**
   * Cache of full fine-tunes by `fineTuneKey`, kept across calls: cached ones are not trained again, new ones
   * are added. An error that `set` throws ends the sweep.
   */
  readonly fineTunes?: Pick<Map<string, FineTuned>, 'get' | 'set'>;
  /** Stops all threads immediately; jobs finished by then have been reported. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called after every step, with the indices of the jobs that it contributes to: several for a shared full
   * fine-tune. An error it throws ends the sweep.
   */
  readonly onStep?: (report: StepReport, places: readonly number[]) => void;
  /**
   * Called, and awaited, as soon as a job has ended, one call at a time. An error it throws ends the sweep.
   */
  readonly onOutcome?: (outcome: Outcome, place: number) => void | Promise<void>;
}

/** Where full fine-tunes are kept; a Map will do. */
export type FineTunes = NonNullable<TrainManyOptions['fineTunes']>;

/**
 * Trains several diffs, each in its own thread. Every payload is byte for byte what the job would result in
 * alone, for any number of workers; a full fine-tune shared by several jobs is trained once. A failed job
 * does not stop the others.
 *
 * @param jobs plain data; relative paths are resolved against the working directory
 * @returns the outcomes, in the order of jobs
 * @throws RangeError for an invalid number of workers or an unknown option; the signal's reason; errors that
 *   `onStep` or `onOutcome` throw
 *
 * @example
 * const job = { kind: 'hash', base: 'models/v1', recipe: 'recipe.mjs', seed: 7 } as const;
 * const outcomes = await trainMany([{ ...job, budget: '10%' }, { ...job, budget: '20%' }], { workers: 2 });
 * for (const outcome of outcomes) console.log(outcome.job.budget, outcome.status);
 */
export async function trainMany(
  jobs: readonly TrainingJob[],
  options: TrainManyOptions = {},
): Promise<Outcome[]> {
  const { workers = availableParallelism(), signal } = options;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new RangeError(`Cannot train with ${workers} workers: expected a whole number of at least 1`);
  }
  for (const job of jobs) checkOptions(job);
  signal?.throwIfAborted();
  if (jobs.length === 0) return [];
  const count = Math.min(workers, jobs.length);
  const threads = new Threads(count);
  try {
    return await new Sweep(jobs, threads, options).run(count);
  } finally {
    await threads.close();
  }
}

function checkOptions({ options = {} }: TrainingJob): void {
  const unknown = unknownOptions(options);
  if (unknown.length === 0) return;
  throw new RangeError(`Cannot use options of a job: "${unknown}" is unknown`);
}

class Sweep {
  readonly #jobs: readonly TrainingJob[];
  readonly #threads: Threads;
  readonly #options: TrainManyOptions;
  readonly #outcomes: Outcome[] = [];
  /** Aborts when the caller aborts, and when a callback throws. */
  readonly #stop = new AbortController();
  #reported: Promise<void> = Promise.resolve();

  constructor(jobs: readonly TrainingJob[], threads: Threads, options: TrainManyOptions) {
    this.#jobs = jobs;
    this.#threads = threads;
    this.#options = options;
  }

  async run(atOnce: number): Promise<Outcome[]> {
    const { signal } = this.#options;
    const stop = (): void => this.#stop.abort(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    this.#stop.signal.addEventListener('abort', () => this.#threads.close(), { once: true });
    try {
      await runTasks(
        this.#groups().flatMap((places) => this.#firstTasks(places)),
        atOnce,
      );
      return this.#outcomes;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** @returns indices of the jobs grouped by their full fine-tune */
  #groups(): number[][] {
    const groups = new Map<string, number[]>();
    for (const place of this.#jobs.keys()) {
      const key = this.#keyOf(place);
      groups.set(key, [...(groups.get(key) ?? []), place]);
    }
    return [...groups.values()];
  }

  /** Trains a shared or cached full fine-tune as a separate task; otherwise the diff's thread trains it. */
  #firstTasks(places: readonly number[]): Task[] {
    const { fineTunes } = this.#options;
    const [place] = places as [number];
    const known = fineTunes?.get(this.#keyOf(place));
    if (known) return places.map((of) => () => this.#trainDiff(of, known));
    const isShared = places.length > 1 || fineTunes !== undefined;
    return [isShared ? () => this.#trainFull(places) : () => this.#trainDiff(place)];
  }

  #keyOf(place: number): string {
    return fineTuneKey(this.#jobs[place] as TrainingJob);
  }

  async #trainFull(places: readonly number[]): Promise<Task[]> {
    const job = this.#jobs[places[0] as number] as TrainingJob;
    const full = await this.#attempt({ type: 'fine-tune', job }, places);
    if (full instanceof Error) {
      for (const place of places) await this.#fail(place, full);
      return [];
    }
    this.#options.fineTunes?.set(fineTuneKey(job), full);
    return places.map((place) => () => this.#trainDiff(place, full));
  }

  async #trainDiff(place: number, fullFineTune?: FineTuned): Promise<Task[]> {
    const job = this.#jobs[place] as TrainingJob;
    const diff = await this.#attempt({ type: 'diff', job, fullFineTune }, [place]);
    if (diff instanceof Error) await this.#fail(place, diff);
    else await this.#report(place, { status: 'trained', job, diff });
    return [];
  }

  /** @returns the thread's product, or the error that ended it; throws if the whole sweep is to stop */
  async #attempt<K extends keyof Products>(
    request: Request<K>,
    places: readonly number[],
  ): Promise<Products[K] | Error> {
    this.#stop.signal.throwIfAborted();
    try {
      return await this.#threads.run(request, {
        onStep: (report) => this.#reportStep(report, places),
      });
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      return error as Error;
    }
  }

  /** Catches errors of the callback, as it is called from a port's event handler. */
  #reportStep(report: StepReport, places: readonly number[]): void {
    try {
      this.#options.onStep?.(report, places);
    } catch (error) {
      this.#stop.abort(error);
    }
  }

  #fail(place: number, error: Error): Promise<void> {
    return this.#report(place, { status: 'failed', job: this.#jobs[place] as TrainingJob, error });
  }

  #report(place: number, outcome: Outcome): Promise<void> {
    this.#outcomes[place] = outcome;
    this.#reported = this.#reported.then(async () => {
      try {
        await this.#options.onOutcome?.(outcome, place);
      } catch (error) {
        this.#stop.abort(error);
        throw error;
      }
    });
    return this.#reported;
  }
}

/** A task, which returns follow-up tasks. */
export type Task = () => Promise<readonly Task[]>;

/**
 * Runs tasks in order, with limited concurrency. Follow-up tasks run before tasks that have not started, so
 * that the results they need can be freed soon.
 *
 * @param tasks the initial tasks
 * @param atOnce largest number of concurrent tasks, at least 1
 * @returns when all tasks have finished
 * @throws the first failure, once running tasks have finished; no other task is started after it
 */
export function runTasks(tasks: readonly Task[], atOnce: number): Promise<void> {
  const queue = [...tasks];
  let running = 0;
  let failed = false;
  let failure: unknown;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      running--;
      begin();
    };
    const begin = (): void => {
      while (running < atOnce && !failed) {
        const task = queue.shift();
        if (task === undefined) break;
        running++;
        task()
          .then((next) => void queue.unshift(...next))
          .catch((error) => {
            if (!failed) failure = error;
            failed = true;
          })
          .then(settle);
      }
      if (running > 0) return;
      if (failed) reject(failure);
      else resolve();
    };
    begin();
  });
}
