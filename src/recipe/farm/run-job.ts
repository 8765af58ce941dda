import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { NeuralDiffError } from '../../model/errors.js';
import type { FineTuned } from '../../train/fine-tune.js';
import type { StepReport } from '../../train/training-options.js';
import type { EpochReport } from '../../train/training-state.js';
import type { TrainingJob } from '../job.js';
import { Threads } from '../sweep/threads.js';
import type { SweptDiff } from '../sweep/worker.js';
import { type FileSet, fineTuneSpec, type JobSpec, jobId } from './job-spec.js';
import type { FarmStore, JobResult } from './store.js';

/** Where a job runs. */
export interface JobPlace {
  readonly store: FarmStore;
  /** Folder for copies of models and recipes: bare imports of recipes are resolved from there. */
  readonly work: string;
  /** Version of this package. */
  readonly version: string;
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
  const fullFineTune = spec.type === 'diff' ? await fineTuneOf(spec, place) : undefined;
  await mkdir(place.work, { recursive: true });
  const folder = await mkdtemp(join(place.work, `${id.slice(0, 12)}-`));
  const threads = new Threads(1);
  const stop = (): void => void threads.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const job = await unpack(spec, { store, folder });
    const started = performance.now();
    const checkpoints = { store: store.address, id };
    const log: EpochReport[] = [];
    const request = { type: spec.type, job, fullFineTune, checkpoints, measureEpochs: true };
    const onEpoch = (report: EpochReport): void => void log.push(report);
    const product = await threads.run(request, { onStep: place.onStep, onEpoch });
    const seconds = (performance.now() - started) / 1000;
    const result = await keep(store, id, { product, seconds, log });
    await store.removeState(id);
    return { id, result, isKept: false };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await threads.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function fineTuneOf(
  spec: Extract<JobSpec, { type: 'diff' }>,
  place: JobPlace,
): Promise<FineTuned | undefined> {
  const teacher = fineTuneSpec(spec);
  if (teacher === undefined) return undefined;
  const { result } = await runJob(teacher, place);
  return deserialize(await place.store.get(result.product));
}

/** Copies what a job names into a folder. */
async function unpack(
  spec: JobSpec,
  { store, folder }: { store: FarmStore; folder: string },
): Promise<TrainingJob> {
  const { base, recipe, full, seed, backend, options } = spec;
  const copy = async ({ main, files }: FileSet, name: string): Promise<string> => {
    for (const [path, digest] of Object.entries(files)) await store.copyTo(digest, join(folder, name, path));
    return join(folder, name, main);
  };
  const chain: string[] = [];
  for (const [i, digest] of base.chain.entries()) {
    chain.push(join(folder, `chain-${i}.ndiff`));
    await store.copyTo(digest, chain[i] as string);
  }
  return {
    kind: spec.type === 'diff' ? spec.kind : 'hash',
    budget: spec.type === 'diff' ? spec.budget : '100%',
    base: await copy(base, 'base'),
    chain,
    recipe: await copy(recipe, 'recipe'),
    full: full && (await copy(full, 'full')),
    seed,
    backend,
    options,
  };
}

async function keep(
  store: FarmStore,
  id: string,
  { product, ...run }: { product: FineTuned | SweptDiff; seconds: number; log: EpochReport[] },
): Promise<JobResult> {
  const about = { format: 'neural-diff job result', version: 1, job: id } as const;
  let result: JobResult;
  if ('payload' in product) {
    const { payload, ...facts } = product;
    result = { ...about, product: await store.put(payload), ...run, facts };
  } else {
    const { metrics, validationExamples, plan } = product;
    const digest = await store.put(serialize({ ...product }));
    result = { ...about, product: digest, ...run, facts: { metrics, validationExamples, plan } };
  }
  await store.writeResult(id, result);
  return result;
}

function otherVersion(wanted: string, version: string): NeuralDiffError {
  const message = `Cannot run the job: it is for neural-diff ${wanted}, and this is ${version}; install that version`;
  return new NeuralDiffError('job-refused', message, { facts: { wanted, version } });
}
