import * as tf from '@tensorflow/tfjs';
import { trainHashDiff } from '../hash-diff/train-hash-diff.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { isFloat } from '../model/float16.js';
import { copyModel, type WeightStore } from '../model/store.js';
import { elementCount, type TensorInfo } from '../model/tensor.js';
import { openModel } from '../node/open-model.js';
import { trainSparseDiff } from '../sparse-diff/train-sparse-diff.js';
import { useBackend } from '../tfjs/backend.js';
import { infoOf } from '../tfjs/weights.js';
import { type FineTuned, takeFineTune } from '../train/fine-tune.js';
import { selectWeights, weightsOfModel } from '../train/session.js';
import type { DeviceModel } from '../train/task.js';
import {
  embeddingsOf,
  fineTuneFor,
  fineTuneOptions,
  type TrainDiffOptions,
  type TrainedDiff,
} from '../train/train-diff.js';
import { checkRecipeData } from './check-data.js';
import type { FineTuneJob, JobContext, TrainingJob } from './job.js';
import { openBase, seedFor } from './open-base.js';
import { mergeOptions, type RecipeOptions } from './options.js';
import { loadRecipe, loadRecipeData, type Recipe } from './recipe.js';
import { guardRecipe } from './recipe-errors.js';
import { createRecipeTask } from './recipe-task.js';

/**
 * Trains the diff of a job: starts the backend, loads base, recipe and data, trains, packs and measures.
 *
 * @throws NeuralDiffError `missing-package`, `recipe-unreadable`, `recipe-invalid`, `recipe-failed`, those of
 *   a model on disk, those of the trainers; the signal's reason
 */
export async function trainByRecipe(job: TrainingJob, context: JobContext): Promise<TrainedDiff> {
  const { options: found, recipeOptions } = await setUp(job, context);
  const { kind, full } = job;
  const isRead = full !== undefined && context.fullFineTune === undefined;
  const options = isRead
    ? {
        ...found,
        fullFineTune: await readFineTune(full, found, {
          fisher: kind === 'sparse' || embeddingsOf(found.task).size > 0,
        }),
      }
    : found;
  if (kind === 'sparse') return trainSparseDiff({ ...options, ...recipeOptions.sparse });
  return trainHashDiff({ ...options, ...recipeOptions.hash });
}

/**
 * Trains the full fine-tune that `trainByRecipe` would start the job with, or reads the one that is named.
 *
 * @throws as `trainByRecipe`
 */
export async function fineTuneByRecipe(job: FineTuneJob, context: JobContext): Promise<FineTuned> {
  const { options } = await setUp({ ...job, kind: 'hash', budget: '100%' }, context);
  if (job.full !== undefined) return readFineTune(job.full, options, { fisher: true });
  return fineTuneFor(options);
}

/**
 * Reads a full fine-tune from disk.
 *
 * @throws NeuralDiffError `wrong-layout` for a model with other tensors; those of a model on disk
 */
async function readFineTune(
  path: string,
  options: TrainDiffOptions,
  wanted: { fisher: boolean },
): Promise<FineTuned> {
  const store = await openModel(path);
  try {
    const trained = selectWeights(options.task, options).map(infoOf);
    for (const info of trained) checkHas(path, store, info);
    const names = new Set(trained.map(({ name }) => name));
    const weights = weightsOfModel(await copyModel(store), names, store.quantization);
    return await takeFineTune(fineTuneOptions(options), weights, wanted);
  } finally {
    await store.close();
  }
}

function checkHas(path: string, store: WeightStore, info: TensorInfo): void {
  const { name, shape } = info;
  const found = store.tensors.find((tensor) => tensor.name === name);
  const isWeight = found && (isFloat(found.dtype) || store.quantization?.has(name));
  if (isWeight && elementCount(found) === elementCount(info)) return;
  const met = found ? `${found.dtype}[${found.shape.join(', ')}]` : 'none of that name';
  const message = `Cannot use "${path}" as the full fine-tune: expected tensor "${name}" with shape [${shape.join(', ')}], got ${met}`;
  throw new NeuralDiffError('wrong-layout', message);
}

/** What a job trains. */
export interface TrainingPlan {
  /** The trained tensors, in the order of the model. */
  readonly trained: readonly TensorInfo[];
}

/**
 * Checks a job as far as possible without its data, and lists what it trains.
 *
 * @throws as `trainByRecipe`; RangeError for patterns that match no weight
 */
export async function planByRecipe(
  job: FineTuneJob,
  context: Pick<JobContext, 'signal'>,
): Promise<TrainingPlan> {
  const { task, recipeOptions } = await prepare(job, context.signal);
  const trained = selectWeights(task, recipeOptions).map(infoOf);
  task.dispose?.();
  return { trained };
}

async function setUp(job: TrainingJob, context: JobContext) {
  const { recipe, task, device, seed, recipeOptions } = await prepare(job, context.signal);
  const data = await loadRecipeData(job.recipe, recipe, { tf, seed, signal: context.signal });
  await checkRecipeData(task, data, context.signal);
  const {
    hash: _hash,
    sparse: _sparse,
    mode: _mode,
    outputs: _outputs,
    outputKind: _kind,
    dataMinutes: _minutes,
    ...shared
  } = recipeOptions;
  const options: TrainDiffOptions = {
    ...shared,
    ...optimizerOf(job.recipe, recipe, shared.fineTune),
    task,
    train: data.train,
    validation: data.validation,
    budget: job.budget,
    device,
    seed,
    ...context,
  };
  return { options, recipeOptions };
}

/** Starts the backend, and loads recipe and base. */
async function prepare(job: FineTuneJob, signal: AbortSignal) {
  const recipe = await loadRecipe(job.recipe);
  const recipeOptions = mergeOptions(recipe.options ?? {}, job.options ?? {});
  await useBackend(job.backend ?? 'wasm');
  const base = await openBase(job);
  try {
    const seed = job.seed ?? seedFor(await fingerprint(base.store, { signal }));
    const task = await createRecipeTask({ path: job.recipe, recipe, options: recipeOptions }, base);
    const device = base.kind === 'layers-model' ? await deviceModel(base.store) : task.device;
    return { recipe, recipeOptions, task, device, seed };
  } finally {
    await base.store.close();
  }
}

/**
 * Reads a LayersModel as devices store it, as TensorFlow.js converts half-precision and quantised weights to
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
