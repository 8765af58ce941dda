import * as tf from '@tensorflow/tfjs';
import { patchChain } from '../chain/patch-chain.js';
import { trainHashDiff } from '../hash-diff/train-hash-diff.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { openLayersStore } from '../model/layers-store.js';
import { copyModel, type WeightStore } from '../model/store.js';
import { openFolder } from '../node/folder.js';
import { modelFolder, wholeModel } from '../node/open-model.js';
import { writeCopy } from '../node/output.js';
import { readPayload } from '../node/read-payload.js';
import { trainSparseDiff } from '../sparse-diff/train-sparse-diff.js';
import { useBackend } from '../tfjs/backend.js';
import { loadModel } from '../tfjs/layers-files.js';
import { createTask } from '../train/create-task.js';
import type { DeviceModel } from '../train/device.js';
import type { FineTuned } from '../train/fine-tune.js';
import { fineTuneFor, type TrainDiffOptions, type TrainedDiff } from '../train/train-diff.js';
import type { FineTuneJob, JobContext, TrainingJob } from './job.js';
import { type BaseModel, openBase, seedFor } from './open-base.js';
import { definedOnly, mergeOptions, type RecipeOptions } from './options.js';
import { guardRecipe, loadRecipe, loadRecipeData, type Recipe, runRecipe } from './recipe.js';

/**
 * Trains the diff of a job: starts the backend, loads base, recipe and data, trains, packs and measures.
 *
 * @throws NeuralDiffError `missing-package`, `recipe-unreadable`, `recipe-invalid`, `recipe-failed`, those of
 *   a model on disk, those of the trainers; the signal's reason
 */
export async function trainByRecipe(job: TrainingJob, context: JobContext): Promise<TrainedDiff> {
  const { options, recipeOptions } = await setUp(job, context);
  if (job.kind === 'sparse') return trainSparseDiff({ ...options, ...recipeOptions.sparse });
  return trainHashDiff({ ...options, ...recipeOptions.hash });
}

/**
 * Trains the full fine-tune that `trainByRecipe` would start the job with.
 *
 * @throws as `trainByRecipe`
 */
export async function fineTuneByRecipe(job: FineTuneJob, context: JobContext): Promise<FineTuned> {
  const { options } = await setUp({ ...job, kind: 'hash', budget: '100%' }, context);
  return fineTuneFor(options);
}

async function setUp(job: TrainingJob, context: JobContext) {
  const recipe = await loadRecipe(job.recipe);
  await useBackend(job.backend ?? 'wasm');
  const { model, device, seed } = await loadBase(job, context.signal);
  const { loss, metrics } = guardRecipe(job.recipe, { loss: recipe.loss, metrics: recipe.metrics });
  await runRecipe(job.recipe, () =>
    model.compile({ optimizer: tf.train.sgd(0), loss, ...(metrics && { metrics }) }),
  );
  const data = await loadRecipeData(job.recipe, recipe, { tf, seed, signal: context.signal });
  const recipeOptions = mergeOptions(recipe.options ?? {}, job.options ?? {});
  const { hash: _hash, sparse: _sparse, mode, outputKind, ...shared } = recipeOptions;
  const options: TrainDiffOptions = {
    ...shared,
    ...optimizerOf(job.recipe, recipe, shared.fineTune),
    task: createTask(model, definedOnly({ mode, outputKind })),
    train: data.train,
    validation: data.validation,
    budget: job.budget,
    device,
    seed,
    ...context,
  };
  return { options, recipeOptions };
}

async function loadBase(
  job: TrainingJob,
  signal: AbortSignal,
): Promise<{ model: tf.LayersModel; device: DeviceModel | undefined; seed: number }> {
  const folder = await openBase(job);
  try {
    const store = await openLayersStore(folder);
    const seed = job.seed ?? seedFor(await fingerprint(store, { signal }));
    return { model: await loadModel(folder), device: await deviceModel(store), seed };
  } finally {
    await folder.close();
  }
}

/**
 * Reads the model as devices store it, as TensorFlow.js converts half-precision and quantised weights to
 * float32.
 *
 * @returns undefined if all tensors are float32 or int32
 * @throws NeuralDiffError `unsupported-model` for weights quantised to 16 bits
 */
async function deviceModel(store: WeightStore): Promise<DeviceModel | undefined> {
  const { tensors, quantization = new Map() } = store;
  if (tensors.every(({ dtype }) => dtype === 'float32' || dtype === 'int32')) return undefined;
  const names = new Set(tensors.map(({ name }) => name));
  const wide = tensors.find(({ name }) => names.has(`${name}/quantization`) && !quantization.has(name));
  if (wide === undefined) return { ...(await copyModel(store)), quantization };
  const message = `Cannot train "${wide.name}": it is quantised to 16 bits; expected 8 bits, float16 or float32`;
  throw new NeuralDiffError('unsupported-model', message);
}

/** Uses a recipe's optimiser for the full fine-tune and the diff, each with its own learning rate. */
function optimizerOf(
  path: string,
  recipe: Recipe,
  fineTune: RecipeOptions['fineTune'],
): Pick<TrainDiffOptions, 'optimizer' | 'fineTune'> {
  if (!recipe.optimizer) return {};
  const make = guardRecipe(path, recipe.optimizer);
  const optimizer = (learningRate: number) => make({ tf, learningRate });
  return { optimizer, fineTune: { ...fineTune, optimizer } };
}

/** Where to write a model. */
export interface ModelOutput {
  readonly out: string;
  /** Replaces an existing folder. */
  readonly force?: boolean;
}

/**
 * Writes a full fine-tune as a LayersModel folder: a copy of the base, with its chain applied and the trained
 * weights replaced. The folder is created completely or not at all.
 *
 * @returns the result of `use`, which is called with the folder's store before it is closed
 * @throws NeuralDiffError `unsupported-model` for a base that stores trained weights in fewer bits than
 *   float32; `output-exists`, `no-space`; those of a model on disk and of payloads
 */
export async function writeFineTune<T>(
  { base, chain = [] }: BaseModel,
  { weights }: Pick<FineTuned, 'weights'>,
  { out, force = false, use }: ModelOutput & { use: (store: WeightStore) => Promise<T> },
): Promise<T> {
  const { files } = await wholeModel(base);
  return writeCopy({ from: await modelFolder(base), files, to: out, force }, async (copy) => {
    const store = await openLayersStore(await openFolder(copy, { writable: true }));
    try {
      if (chain.length > 0)
        await patchChain(store, await Promise.all(chain.map((path) => readPayload(path))));
      for (const [name, values] of weights) await writeWeights(store, name, values);
      await store.flush();
      return await use(store);
    } finally {
      await store.close();
    }
  });
}

async function writeWeights(store: WeightStore, name: string, values: Float32Array): Promise<void> {
  const dtype = store.tensors.find((tensor) => tensor.name === name)?.dtype;
  if (dtype !== 'float32') {
    const message = `Cannot write the full fine-tune: "${name}" is stored as ${dtype ?? 'nothing'}, expected float32`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  await store.write(name, 0, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
