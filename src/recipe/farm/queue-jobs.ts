import type { Metrics } from '../../train/task.js';
import type { StepReport } from '../../train/training-options.js';
import type { TrainingJob } from '../job.js';
import type { Outcome } from '../sweep/train-many.js';
import type { TrainerCallbacks } from '../sweep/trainer.js';
import type { SweptDiff } from '../sweep/worker.js';
import { type DiffSpec, fineTuneSpec, jobId } from './job-spec.js';
import type { JobQueue, JobStanding, NewJob } from './queue.js';
import { readReason } from './serve-jobs.js';
import type { FarmStore, JobResult } from './store.js';

/** A job and its form for other machines. */
export interface FarmJob {
  readonly job: TrainingJob;
  readonly spec: DiffSpec;
}

/** Where jobs are queued, and who is told of them. */
export interface QueueJobsOptions extends TrainerCallbacks {
  readonly queue: JobQueue;
  readonly store: FarmStore;
  readonly signal: AbortSignal;
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
export async function queueJobs(jobs: readonly FarmJob[], options: QueueJobsOptions): Promise<void> {
  await new Waiting(jobs, options).run();
}

class Waiting {
  readonly #jobs: readonly FarmJob[];
  readonly #options: QueueJobsOptions;
  /** Places of the jobs that have not ended, by id: jobs may be the same. */
  readonly #places = new Map<string, number[]>();
  /** Places of the diffs that start with a full fine-tune, by its id. */
  readonly #placesOfFull = new Map<string, number[]>();
  /** Full fine-tunes of which the caller was told. */
  readonly #toldFull = new Set<string>();
  /** Those of which Redis says that they have ended. */
  readonly #told = new Set<string>();
  /** Those to be looked at in this turn, without being told. */
  #turn: string[] = [];

  constructor(jobs: readonly FarmJob[], options: QueueJobsOptions) {
    this.#jobs = jobs;
    this.#options = options;
    for (const [place, { spec }] of jobs.entries()) {
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

  #specOf(id: string): DiffSpec {
    const [place] = this.#places.get(id) as [number];
    return (this.#jobs[place] as FarmJob).spec;
  }

  #report(id: string, progress: unknown): void {
    const places = this.#places.get(id) ?? this.#placesOfFull.get(id);
    if (places && isReport(progress)) this.#options.onStep?.(progress, places);
  }

  async #end(id: string, result: JobResult | Error): Promise<void> {
    const places = this.#places.get(id) as number[];
    this.#places.delete(id);
    await this.#tellFineTune(places[0] as number);
    for (const place of places) {
      const { job } = this.#jobs[place] as FarmJob;
      const outcome: Outcome =
        result instanceof Error
          ? { status: 'failed', job, error: result }
          : { status: 'trained', job, diff: await readDiff(this.#options.store, result) };
      await this.#options.onOutcome?.(outcome, place);
    }
  }

  /** Tells of the full fine-tune of a job, if there is one: it may be what failed. */
  async #tellFineTune(place: number): Promise<void> {
    const { store, onFineTune } = this.#options;
    if (onFineTune === undefined) return;
    const { spec } = this.#jobs[place] as FarmJob;
    const teacher = fineTuneSpec(spec);
    if (teacher === undefined) return onFineTune(undefined);
    const id = jobId(teacher);
    if (this.#toldFull.has(id)) return;
    const result = await store.readResult(id);
    if (result === undefined) return;
    this.#toldFull.add(id);
    onFineTune(result.facts.metrics as Metrics);
  }
}

/** @returns what a thread would make: it measures no epochs */
async function readDiff(store: FarmStore, { product, facts }: JobResult): Promise<SweptDiff> {
  const { epochs, ...found } = facts as unknown as SweptDiff;
  const plain = epochs.map(({ loss, state }) => ({ loss, state }));
  return { ...found, epochs: plain, payload: await store.get(product) };
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
