import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import type { FineTuned } from '../../train/fine-tune.js';
import type { TrainingJob } from '../job.js';
import type { CheckpointPlace, Request } from '../sweep/worker.js';
import type { TrialRequest } from '../tune/network/worker.js';
import type { FileSet, JobSpec, NetworkSpec, PredictSpec } from './job-spec.js';
import type { FarmStore } from './store.js';

/** The module whose threads train networks from scratch. */
const NETWORK_WORKER = fileURLToPath(new URL('../tune/network/worker.js', import.meta.url));

/** Where the files of a job are copied from and to. */
export interface Copies {
  readonly store: FarmStore;
  /** An empty folder. */
  readonly folder: string;
}

/** What is not in the job itself. */
interface Given {
  readonly checkpoints: CheckpointPlace;
  /** That a diff starts with. */
  readonly fullFineTune: FineTuned | undefined;
  /** Module whose threads predict. */
  readonly predictor: string;
}

/** A request for predictions, as plain data. */
export interface PredictRequest extends Pick<PredictSpec, 'seed' | 'backend' | 'runtime'> {
  readonly base: string;
  readonly chain: readonly string[];
  readonly recipe: string;
  /** What reports know of the examples. */
  readonly truth: unknown;
}

/** A request, and the module whose threads take it; by default that of diffs. */
export interface JobRequest {
  readonly worker?: string;
  readonly request: Request | TrialRequest | PredictRequest;
}

/** Copies what a job names into a folder. @returns the request to a thread */
export async function requestOf(spec: JobSpec, copies: Copies, given: Given): Promise<JobRequest> {
  const { checkpoints, fullFineTune, predictor } = given;
  if (spec.type === 'network') {
    const { configuration, epochs, learningRate, seed, backend } = spec;
    const recipe = await copySet(spec.recipe, 'recipe', copies);
    const request = { recipe, configuration, epochs, learningRate, seed, backend, checkpoints };
    return { worker: NETWORK_WORKER, request };
  }
  if (spec.type === 'predict') {
    const { seed, backend, runtime } = spec;
    const truth: unknown = deserialize(await copies.store.get(spec.truth));
    const { base, chain, recipe } = await copyModel(spec, copies);
    return { worker: predictor, request: { base, chain, recipe, seed, backend, runtime, truth } };
  }
  const job = await unpack(spec, copies);
  return { request: { type: spec.type, job, fullFineTune, checkpoints, measureEpochs: true } };
}

async function unpack(
  spec: Exclude<JobSpec, NetworkSpec | PredictSpec>,
  copies: Copies,
): Promise<TrainingJob> {
  const { full, seed, backend, options } = spec;
  return {
    kind: spec.type === 'diff' ? spec.kind : 'hash',
    budget: spec.type === 'diff' ? spec.budget : '100%',
    ...(await copyModel(spec, copies)),
    full: full && (await copySet(full, 'full', copies)),
    seed,
    backend,
    options,
  };
}

/** @returns the paths of the copies */
async function copyModel(
  { base, recipe }: Pick<PredictSpec, 'base' | 'recipe'>,
  copies: Copies,
): Promise<{ base: string; chain: string[]; recipe: string }> {
  const { store, folder } = copies;
  const chain: string[] = [];
  for (const [i, digest] of base.chain.entries()) {
    chain.push(join(folder, `chain-${i}.ndiff`));
    await store.copyTo(digest, chain[i] as string);
  }
  const main = await copySet(base, 'base', copies);
  return { base: main, chain, recipe: await copySet(recipe, 'recipe', copies) };
}

/** @returns the path of the copy's main file */
async function copySet({ main, files }: FileSet, name: string, { store, folder }: Copies): Promise<string> {
  for (const [path, digest] of Object.entries(files)) await store.copyTo(digest, join(folder, name, path));
  return join(folder, name, main);
}
