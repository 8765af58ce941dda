import { availableParallelism } from 'node:os';
import type { FineTuned } from '../../train/fine-tune.js';
import type { StepReport } from '../../train/loop.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { TrainingJob } from '../job.js';
import { fineTuneKey } from '../job.js';
import { unknownOptions } from '../options.js';
import { Threads } from './threads.js';
import type { Products, Request } from './worker.js';

/** How a job ended. */
export type Outcome =
  | { readonly status: 'trained'; readonly job: TrainingJob; readonly diff: Omit<TrainedDiff, 'model'> }
  | { readonly status: 'failed'; readonly job: TrainingJob; readonly error: Error };

/** How jobs are run. */
export interface TrainManyOptions {
  /** Jobs at once, each in a thread with a TensorFlow.js of its own; as many as the machine runs at once unless given. */
  readonly workers?: number | undefined;
  /**
   * Full fine-tunes by what they depend on, kept from call to call: those found are not trained again, those trained are
   * added. What `set` throws ends the sweep.
   */
  readonly fineTunes?: Pick<Map<string, FineTuned>, 'get' | 'set'>;
  /** Ends all threads at once; what has finished by then has been reported. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told after every step, with the places of the jobs that it serves: several for a full fine-tune that they share.
   * What it throws ends the sweep.
   */
  readonly onStep?: (report: StepReport, places: readonly number[]) => void;
  /** Told, and waited for, as soon as a job has ended; one call at a time. What it throws ends the sweep. */
  readonly onOutcome?: (outcome: Outcome, place: number) => void | Promise<void>;
}

/** Where full fine-tunes are kept; a Map will do. */
export type FineTunes = NonNullable<TrainManyOptions['fineTunes']>;

/**
 * Trains several diffs, a thread each. Every payload is, byte for byte, what the job would give alone, however many run
 * at once; a full fine-tune that several jobs begin with is trained once. A job that fails does not stop the others.
 *
 * @param jobs plain data; relative paths start at the working directory
 * @returns how the jobs ended, in their order
 * @throws RangeError for a number of workers or an option that means nothing; the signal's reason; what `onStep` or `onOutcome`
 * throws
 *
 * @example
 * const job = { kind: 'hash', base: 'models/v1', recipe: 'recipe.mjs', seed: 7 } as const;
 * const outcomes = await trainMany([{ ...job, budget: '0.5%' }, { ...job, budget: '1%' }], { workers: 2 });
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
  throw new RangeError(`Cannot use options of a job: expected none named "${unknown}"`);
}

class Sweep {
  readonly #jobs: readonly TrainingJob[];
  readonly #threads: Threads;
  readonly #options: TrainManyOptions;
  readonly #outcomes: Outcome[] = [];
  /** Fires when the caller aborts, and when it throws at an outcome. */
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

  /** @returns places of the jobs that begin with the same full fine-tune */
  #groups(): number[][] {
    const groups = new Map<string, number[]>();
    for (const place of this.#jobs.keys()) {
      const key = this.#keyOf(place);
      groups.set(key, [...(groups.get(key) ?? []), place]);
    }
    return [...groups.values()];
  }

  /** A job that shares its full fine-tune with no other, here or later, trains it in its own thread. */
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

  /** @returns what the thread made, or the error that ended it; throws when the whole sweep is to stop */
  async #attempt<K extends keyof Products>(
    request: Request<K>,
    places: readonly number[],
  ): Promise<Products[K] | Error> {
    this.#stop.signal.throwIfAborted();
    try {
      return await this.#threads.run(request, (report) => this.#tell(report, places));
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      return error as Error;
    }
  }

  /** Called from a port's event, where nobody would catch what is thrown. */
  #tell(report: StepReport, places: readonly number[]): void {
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

/** Some work, and the tasks that it makes possible. */
export type Task = () => Promise<readonly Task[]>;

/**
 * Runs tasks in order, some at once. What a task makes possible comes before the tasks that have not begun: its results
 * are needed soon and can go.
 *
 * @param tasks to begin with
 * @param atOnce at least 1
 * @returns when all are done
 * @throws what the first task to fail threw; no other is begun then, and those that run are waited for
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
