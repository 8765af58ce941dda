import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { NeuralDiffError } from '../../model/errors.js';
import type { FineTuned } from '../../train/fine-tune.js';
import type { StepReport } from '../../train/training-options.js';
import type { EpochReport } from '../../train/training-state.js';
import type { TrainingJob } from '../job.js';
import { Threads } from '../sweep/threads.js';
import type { Products, Request } from '../sweep/worker.js';
import type { TrialProduct, TrialRequest } from '../tune/network/worker.js';
import { type FileSet, fineTuneSpec, type JobSpec, jobId, type NetworkSpec } from './job-spec.js';
import type { FarmStore, JobResult } from './store.js';

/** The module whose threads train networks from scratch. */
const NETWORK_WORKER = fileURLToPath(new URL('../tune/network/worker.js', import.meta.url));

/** What the threads of jobs make. */
type Product = Products[keyof Products] | TrialProduct;

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
  const fullFineTune = await fineTuneOf(spec, place);
  await mkdir(place.work, { recursive: true });
  const folder = await mkdtemp(join(place.work, `${id.slice(0, 12)}-`));
  const threads = new Threads(1, spec.type === 'network' ? NETWORK_WORKER : undefined);
  const stop = (): void => void threads.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const copies = { store, folder };
    const checkpoints = { store: store.address, id };
    const request: Request | TrialRequest =
      spec.type === 'network'
        ? { ...(await unpackNetwork(spec, copies)), checkpoints }
        : {
            ...{ type: spec.type, job: await unpack(spec, copies) },
            ...{ fullFineTune, checkpoints, measureEpochs: true },
          };
    const started = performance.now();
    const log: EpochReport[] = [];
    const onEpoch = (report: EpochReport): void => void log.push(report);
    const product = await threads.runOther<Product>(request, { onStep: place.onStep, onEpoch });
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

async function fineTuneOf(spec: JobSpec, place: JobPlace): Promise<FineTuned | undefined> {
  const teacher = fineTuneSpec(spec);
  if (teacher === undefined) return undefined;
  const { result } = await runJob(teacher, place);
  return deserialize(await place.store.get(result.product));
}

/** Where the files of a job are copied from and to. */
interface Copies {
  readonly store: FarmStore;
  readonly folder: string;
}

/** Copies what a job names into a folder. */
async function unpack(spec: Exclude<JobSpec, NetworkSpec>, copies: Copies): Promise<TrainingJob> {
  const { base, recipe, full, seed, backend, options } = spec;
  const { store, folder } = copies;
  const chain: string[] = [];
  for (const [i, digest] of base.chain.entries()) {
    chain.push(join(folder, `chain-${i}.ndiff`));
    await store.copyTo(digest, chain[i] as string);
  }
  return {
    kind: spec.type === 'diff' ? spec.kind : 'hash',
    budget: spec.type === 'diff' ? spec.budget : '100%',
    base: await copySet(base, 'base', copies),
    chain,
    recipe: await copySet(recipe, 'recipe', copies),
    full: full && (await copySet(full, 'full', copies)),
    seed,
    backend,
    options,
  };
}

async function unpackNetwork(spec: NetworkSpec, copies: Copies): Promise<TrialRequest> {
  const { configuration, epochs, learningRate, seed, backend } = spec;
  const recipe = await copySet(spec.recipe, 'recipe', copies);
  return { recipe, configuration, epochs, learningRate, seed, backend };
}

/** @returns the path of the copy's main file */
async function copySet({ main, files }: FileSet, name: string, { store, folder }: Copies): Promise<string> {
  for (const [path, digest] of Object.entries(files)) await store.copyTo(digest, join(folder, name, path));
  return join(folder, name, main);
}

async function keep(
  store: FarmStore,
  id: string,
  { product, ...run }: { product: Product; seconds: number; log: EpochReport[] },
): Promise<JobResult> {
  const { content, facts } = describe(product);
  const about = { format: 'neural-diff job result', version: 1, job: id } as const;
  const result = { ...about, product: await store.put(content), ...run, facts };
  await store.writeResult(id, result);
  return result;
}

/** @returns what the store keeps of a product, and what its result says of it */
function describe(product: Product): { content: Uint8Array; facts: JobResult['facts'] } {
  if ('payload' in product) {
    const { payload: content, ...facts } = product;
    return { content, facts };
  }
  const content = serialize({ ...product });
  const { metrics } = product;
  if (Array.isArray((product as TrialProduct).weights)) return { content, facts: { metrics } };
  const { validationExamples, plan } = product as FineTuned;
  return { content, facts: { metrics, validationExamples, plan } };
}

function otherVersion(wanted: string, version: string): NeuralDiffError {
  const message = `Cannot run the job: it is for neural-diff ${wanted}, and this is ${version}; install that version`;
  return new NeuralDiffError('job-refused', message, { facts: { wanted, version } });
}
