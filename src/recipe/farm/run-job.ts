import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { NeuralDiffError } from '../../model/errors.js';
import type { FineTuned } from '../../train/fine-tune.js';
import type { StepReport } from '../../train/training-options.js';
import type { EpochReport } from '../../train/training-state.js';
import { Threads } from '../sweep/threads.js';
import type { SweptDiff } from '../sweep/worker.js';
import type { TrialProduct } from '../tune/network/worker.js';
import { requestOf } from './job-request.js';
import { fineTuneSpec, type JobSpec, jobId } from './job-spec.js';
import type { Ended, FarmStore, JobResult } from './store.js';

/** Where a job runs. */
export interface JobPlace {
  readonly store: FarmStore;
  /** Folder for copies of models and recipes: bare imports of recipes are resolved from there. */
  readonly work: string;
  /** Version of this package. */
  readonly version: string;
  /** Module whose threads predict, for jobs of reports; it takes a `PredictRequest`. */
  readonly predictor: string;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

/** A result, and whether it was there already. */
export interface RanJob {
  readonly id: string;
  readonly result: JobResult;
  readonly isKept: boolean;
}

/**
 * Runs a job in a thread, and the job of its full fine-tune first; a result that the store has is not
 * computed again. A job that was stopped goes on after the last epoch that ended, on any machine; the result
 * has the same bytes.
 *
 * @throws NeuralDiffError `job-refused` for a job of another version of this package; those of the store and
 *   of training; the signal's reason
 */
export async function runJob(spec: JobSpec, place: JobPlace): Promise<RanJob> {
  const { store, version, signal } = place;
  const id = jobId(spec);
  signal?.throwIfAborted();
  const known = await store.readResult(id);
  if (known) return { id, result: known, isKept: true };
  if (spec.package !== version) throw otherVersion(spec.package, version);
  const fullFineTune = await fineTuneOf(spec, place);
  await mkdir(place.work, { recursive: true });
  const folder = await mkdtemp(join(place.work, `${id.slice(0, 12)}-`));
  let threads: Threads | undefined;
  const stop = (): void => void threads?.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const given = { checkpoints: { store: store.address, id }, fullFineTune, predictor: place.predictor };
    const { worker, request } = await requestOf(spec, { store, folder }, given);
    signal?.throwIfAborted();
    threads = new Threads(1, worker);
    const started = performance.now();
    const log: EpochReport[] = [];
    const onEpoch = (report: EpochReport): void => void log.push(report);
    const product = await threads.runOther<unknown>(request, { onStep: place.onStep, onEpoch });
    const seconds = (performance.now() - started) / 1000;
    const result = await store.keepResult(id, { ...describe(spec, product), seconds, log });
    return { id, result, isKept: false };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await threads?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function fineTuneOf(spec: JobSpec, place: JobPlace): Promise<FineTuned | undefined> {
  const teacher = fineTuneSpec(spec);
  if (teacher === undefined) return undefined;
  const { result } = await runJob(teacher, place);
  return deserialize(await place.store.get(result.product));
}

/** @returns what the store keeps of a product, by the type of its job */
function describe({ type }: JobSpec, product: unknown): Pick<Ended, 'content' | 'facts'> {
  if (type === 'diff') {
    const { payload: content, ...facts } = product as SweptDiff;
    return { content, facts };
  }
  const content = serialize({ ...(product as object) });
  if (type === 'predict') return { content, facts: {} };
  const { metrics } = product as TrialProduct | FineTuned;
  if (type === 'network') return { content, facts: { metrics } };
  const { validationExamples, plan } = product as FineTuned;
  return { content, facts: { metrics, validationExamples, plan } };
}

function otherVersion(wanted: string, version: string): NeuralDiffError {
  const message = `Cannot run the job: it is for neural-diff ${wanted}, and this is ${version}; install that version`;
  return new NeuralDiffError('job-refused', message, { facts: { wanted, version } });
}
