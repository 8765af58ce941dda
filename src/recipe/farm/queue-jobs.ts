import type { StepReport } from '../../train/training-options.js';
import type { TrainingJob } from '../job.js';
import type { Outcome } from '../sweep/train-many.js';
import type { SweptDiff } from '../sweep/worker.js';
import { type DiffSpec, jobId } from './job-spec.js';
import type { JobQueue } from './queue.js';
import { readReason } from './serve-jobs.js';
import type { FarmStore, JobResult } from './store.js';

/** A job and its form for other machines. */
export interface FarmJob {
  readonly job: TrainingJob;
  readonly spec: DiffSpec;
}

/** Where jobs are queued, and who is told of them. */
export interface QueueJobsOptions {
  readonly queue: JobQueue;
  readonly store: FarmStore;
  readonly signal: AbortSignal;
  readonly onStep: (report: StepReport, places: readonly number[]) => void;
  readonly onOutcome: (outcome: Outcome, place: number) => Promise<void>;
}

/** Milliseconds between looks at the store and the queue. */
const INTERVAL = 500;

/**
 * Queues jobs and waits for their results, which workers put into the store. Results that are there are not
 * computed again; a job that Redis has lost is queued again. After an abort, the jobs stay in the queue.
 *
 * @throws the signal's reason; what `onOutcome` throws
 */
export async function queueJobs(jobs: readonly FarmJob[], options: QueueJobsOptions): Promise<void> {
  const { queue, store, signal, onOutcome, onStep } = options;
  const waiting = new Map(jobs.map(({ spec }, place) => [place, jobId(spec)]));
  for (;;) {
    for (const [place, id] of waiting) {
      signal.throwIfAborted();
      const { job, spec } = jobs[place] as FarmJob;
      const result = await store.readResult(id);
      if (result) {
        waiting.delete(place);
        await onOutcome({ status: 'trained', job, diff: await readDiff(store, result) }, place);
        continue;
      }
      const standing = await queue.standing(id);
      if (standing.state === 'failed') {
        waiting.delete(place);
        await onOutcome({ status: 'failed', job, error: readReason(standing.reason) }, place);
      } else if (standing.state === 'running') {
        if (isReport(standing.progress)) onStep(standing.progress, [place]);
      } else if (standing.state !== 'waiting') {
        if (standing.state === 'done') await queue.forget(id);
        await queue.add([{ id, data: spec }]);
      }
    }
    if (waiting.size === 0) return;
    await pause(signal);
  }
}

async function readDiff(store: FarmStore, { product, facts }: JobResult): Promise<SweptDiff> {
  return { ...(facts as unknown as SweptDiff), payload: await store.get(product) };
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
