// Trains one diff in a thread of its own, so that both kinds train at the same time.

import { parentPort, workerData } from 'node:worker_threads';
import { type FineTuned, type StepReport, trainHashDiff, trainSparseDiff } from 'neural-diff/train';
import type { Split } from '../common/staged-examples.js';
import { openTask, toArrays } from '../common/task.js';

/** What the thread is asked to do. */
export interface DiffJob {
  readonly kind: 'sparse' | 'hash';
  /** Folder of the base model. */
  readonly base: string;
  readonly data: Split;
  readonly classes: number;
  readonly fullFineTune: FineTuned;
  readonly budget: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
}

/** What the thread answers: progress, then the payload. */
export type DiffMessage =
  | { readonly type: 'step'; readonly report: StepReport }
  | { readonly type: 'done'; readonly payload: Uint8Array; readonly next: string; readonly accuracy: number };

const job = workerData as DiffJob;
const answer = (message: DiffMessage): void => parentPort?.postMessage(message);

const { task } = await openTask(job.base);
const options = {
  task,
  train: toArrays(job.data.train, job.classes),
  validation: toArrays(job.data.test, job.classes),
  budget: job.budget,
  fullFineTune: job.fullFineTune,
  epochs: job.epochs,
  batchSize: job.batchSize,
  seed: job.seed,
  onStep: (report: StepReport) => answer({ type: 'step', report }),
};
const { payload, next, metrics } = await (job.kind === 'sparse'
  ? trainSparseDiff(options)
  : trainHashDiff(options));
answer({ type: 'done', payload, next, accuracy: metrics.diff.accuracy as number });
