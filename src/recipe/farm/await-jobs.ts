import type { StepReport } from '../../train/training-options.js';
import { fineTuneSpec, type JobSpec, jobId } from './job-spec.js';
import type { JobQueue, JobStanding, NewJob } from './queue.js';
import { readReason } from './serve-jobs.js';
import type { FarmStore, JobResult } from './store.js';

/** Where jobs are queued. */
export interface Farm {
  readonly queue: JobQueue;
  readonly store: FarmStore;
  readonly signal: AbortSignal;
}

/** Who is told of jobs, by their places in the list: jobs may be the same. */
export interface JobCallbacks {
  /** Also of the full fine-tunes that jobs wait for. */
  readonly onStep?: ((report: StepReport, places: readonly number[]) => void) | undefined;
  /** Called, and awaited, when a job has ended, one call at a time. */
  readonly onResult: (result: JobResult | Error, places: readonly number[]) => Promise<void>;
}

/** Milliseconds between looks at the queue. */
const INTERVAL = 500;

/** Jobs that are looked for together in the store at the start. */
const SLICE = 200;

/** Jobs that are looked at each time, all of them in turn: what Redis lost or did not tell is found. */
const TURN = 50;

/**
 * Queues jobs and waits for their results, which workers put into the store. Results that are there are not
 * computed again; a job that Redis has lost is queued again. After an abort, the jobs stay in the queue.
 *
 * @throws the signal's reason; what the callbacks throw
 */
export async function awaitJobs(specs: readonly JobSpec[], options: Farm & JobCallbacks): Promise<void> {
  if (specs.length > 0) await new Waiting(specs, options).run();
}

class Waiting {
  readonly #specs: readonly JobSpec[];
  readonly #options: Farm & JobCallbacks;
  /** Places of the jobs that have not ended, by id. */
  readonly #places = new Map<string, number[]>();
  /** Places of the diffs that start with a full fine-tune, by its id. */
  readonly #placesOfFull = new Map<string, number[]>();
  /** Those of which Redis says that they have ended. */
  readonly #told = new Set<string>();
  /** Those to be looked at in this turn, without being told. */
  #turn: string[] = [];

  constructor(specs: readonly JobSpec[], options: Farm & JobCallbacks) {
    this.#specs = specs;
    this.#options = options;
    for (const [place, spec] of specs.entries()) {
      const teacher = fineTuneSpec(spec);
      addTo(this.#places, jobId(spec), place);
      if (teacher) addTo(this.#placesOfFull, jobId(teacher), place);
    }
  }

  async run(): Promise<void> {
    const { queue, signal } = this.#options;
    const stop = await queue.follow({
      onEnd: (id) => this.#told.add(id),
      onProgress: (id, progress) => this.#report(id, progress),
    });
    try {
      const ids = [...this.#places.keys()];
      for (let at = 0; at < ids.length; at += SLICE) await this.#begin(ids.slice(at, at + SLICE));
      while (this.#places.size > 0) {
        await pause(signal);
        await this.#look(this.#next());
      }
    } finally {
      await stop();
    }
  }

  /** Takes the results that the store has, and queues the others. */
  async #begin(ids: readonly string[]): Promise<void> {
    const { store } = this.#options;
    const results = await Promise.all(ids.map((id) => store.readResult(id)));
    for (const [i, result] of results.entries()) if (result) await this.#end(ids[i] as string, result);
    await this.#look(ids.filter((id) => this.#places.has(id)));
  }

  /** @returns those that have ended as Redis tells, and some others */
  #next(): string[] {
    const told = [...this.#told].filter((id) => this.#places.has(id));
    this.#told.clear();
    if (this.#turn.length === 0) this.#turn = [...this.#places.keys()];
    return [...new Set([...told, ...this.#turn.splice(0, TURN)])].filter((id) => this.#places.has(id));
  }

  async #look(ids: readonly string[]): Promise<void> {
    const { queue } = this.#options;
    const standings = await queue.standings(ids);
    const lost: NewJob[] = [];
    for (const [i, id] of ids.entries())
      if (await this.#isLost(id, standings[i] as JobStanding)) lost.push({ id, data: this.#specOf(id) });
    await queue.add(lost);
  }

  /** Takes how a job stands. @returns whether it is to be queued */
  async #isLost(id: string, standing: JobStanding): Promise<boolean> {
    const { queue, store, signal } = this.#options;
    signal.throwIfAborted();
    if (standing.state === 'open') return false;
    const ended = standing.state === 'failed' ? readReason(standing.reason) : await store.readResult(id);
    if (ended) await this.#end(id, ended);
    else if (standing.state === 'done') await queue.forget(id);
    return ended === undefined;
  }

  #specOf(id: string): JobSpec {
    const [place] = this.#places.get(id) as [number];
    return this.#specs[place] as JobSpec;
  }

  #report(id: string, progress: unknown): void {
    const places = this.#places.get(id) ?? this.#placesOfFull.get(id);
    if (places && isReport(progress)) this.#options.onStep?.(progress, places);
  }

  async #end(id: string, result: JobResult | Error): Promise<void> {
    const places = this.#places.get(id) as number[];
    this.#places.delete(id);
    await this.#options.onResult(result, places);
  }
}

function addTo(places: Map<string, number[]>, id: string, place: number): void {
  const known = places.get(id);
  if (known) known.push(place);
  else places.set(id, [place]);
}

function isReport(progress: unknown): progress is StepReport {
  return typeof progress === 'object' && progress !== null && 'phase' in progress;
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, INTERVAL);
    signal.addEventListener('abort', stop, { once: true });
  });
}
