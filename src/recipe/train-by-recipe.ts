import type * as Tf from '@tensorflow/tfjs';
import {
  copyModel,
  fingerprint,
  NeuralDiffError,
  openLayersStore,
  type WeightStore,
} from '../model/index.js';
import type {
  Budget,
  DeviceModel,
  FineTuned,
  StepReport,
  TrainDiffOptions,
  TrainedDiff,
} from '../train/index.js';
import { guardRecipe, runRecipe } from './guard.js';
import { importTraining, type TrainingRooms } from './import-training.js';
import type { DiffKind } from './kinds.js';
import { type BaseModel, openBase, seedFor } from './open-base.js';
import { definedOnly, mergeOptions, type RecipeOptions } from './options.js';
import { loadRecipe, loadRecipeData, type Recipe } from './recipe.js';

/** A diff to train, as plain data that can be sent to a thread. */
export interface TrainingJob extends BaseModel {
  readonly kind: DiffKind;
  /** Path of the recipe module. */
  readonly recipe: string;
  /** Bytes of the whole payload file that it will not exceed. */
  readonly budget: Budget;
  /** 0 to 2^32 - 1; one of its own for every base unless given (`seedFor`). */
  readonly seed?: number | undefined;
  /** TensorFlow.js backend; default `wasm`. */
  readonly backend?: 'wasm' | 'cpu' | undefined;
  /** Come before the recipe's options. */
  readonly options?: RecipeOptions | undefined;
}

/** A full fine-tune to train: a job that packs no diff. */
export type FineTuneJob = Omit<TrainingJob, 'kind' | 'budget'>;

/** The world of a job: how it is stopped, who is told, what is trained already. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly onStep?: ((report: StepReport) => void) | undefined;
  /** The job's full fine-tune; trained first unless given. */
  readonly fullFineTune?: FineTuned | undefined;
}

/**
 * Trains the diff of a job: starts the backend, loads base, recipe and data, trains, packs, measures.
 *
 * @throws NeuralDiffError `missing-package`, `recipe-unreadable`, `recipe-invalid`, `recipe-failed`, those of a model on
 * disk, those of the trainers; the signal's reason
 */
export async function trainByRecipe(job: TrainingJob, context: JobContext): Promise<TrainedDiff> {
  const { rooms, options, recipeOptions } = await setUp(job, context);
  if (job.kind === 'sparse') return rooms.sparse.trainSparseDiff({ ...options, ...recipeOptions.sparse });
  return rooms.hash.trainHashDiff({ ...options, ...recipeOptions.hash });
}

/**
 * Trains the full fine-tune that `trainByRecipe` would begin the job with.
 *
 * @throws as `trainByRecipe`
 */
export async function fineTuneByRecipe(job: FineTuneJob, context: JobContext): Promise<FineTuned> {
  const { rooms, options } = await setUp({ ...job, kind: 'hash', budget: '100%' }, context);
  return rooms.train.fineTuneFor(options);
}

/**
 * Names the full fine-tune of a job: jobs of one name have the same.
 *
 * @returns what its full fine-tune depends on, as text
 */
export function fineTuneKey(job: FineTuneJob): string {
  const { base, chain = [], recipe, seed, backend = 'wasm', options = {} } = job;
  const { batchSize, mode, fineTune } = options;
  return JSON.stringify([
    base,
    chain,
    recipe,
    seed,
    backend,
    batchSize,
    mode,
    fineTune?.epochs,
    fineTune?.learningRate,
  ]);
}

async function setUp(job: TrainingJob, context: JobContext) {
  const recipe = await loadRecipe(job.recipe);
  const rooms = await importTraining();
  const { tf, tfjs, train } = rooms;
  await tfjs.useBackend(job.backend ?? 'wasm');
  const { model, device, seed } = await loadBase(job, { tfjs, signal: context.signal });
  const { loss, metrics } = guardRecipe(job.recipe, { loss: recipe.loss, metrics: recipe.metrics });
  await runRecipe(job.recipe, () =>
    model.compile({ optimizer: tf.train.sgd(0), loss, ...(metrics && { metrics }) }),
  );
  const data = await loadRecipeData(job.recipe, recipe, { tf, seed, signal: context.signal });
  const recipeOptions = mergeOptions(recipe.options ?? {}, job.options ?? {});
  const { hash: _hash, sparse: _sparse, mode, outputKind, ...shared } = recipeOptions;
  const options: TrainDiffOptions = {
    ...shared,
    ...optimizerOf(job.recipe, recipe, { tf, fineTune: shared.fineTune }),
    task: train.createTask(model, definedOnly({ mode, outputKind })),
    train: data.train,
    validation: data.validation,
    budget: job.budget,
    device,
    seed,
    ...context,
  };
  return { rooms, options, recipeOptions };
}

async function loadBase(
  job: TrainingJob,
  { tfjs, signal }: Pick<TrainingRooms, 'tfjs'> & Pick<JobContext, 'signal'>,
): Promise<{ model: Tf.LayersModel; device: DeviceModel | undefined; seed: number }> {
  const folder = await openBase(job);
  try {
    const store = await openLayersStore(folder);
    const seed = job.seed ?? seedFor(await fingerprint(store, { signal }));
    return { model: await tfjs.loadModel(folder), device: await deviceModel(store), seed };
  } finally {
    await folder.close();
  }
}

/**
 * TensorFlow.js makes float32 of halves and of quantised weights.
 *
 * @returns the model as it is stored, where that is in other types
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

/** A recipe's optimiser serves the full fine-tune and the diff, each with its own learning rate. */
function optimizerOf(
  path: string,
  recipe: Recipe,
  { tf, fineTune }: { tf: typeof Tf; fineTune: RecipeOptions['fineTune'] },
): Pick<TrainDiffOptions, 'optimizer' | 'fineTune'> {
  if (!recipe.optimizer) return {};
  const make = guardRecipe(path, recipe.optimizer);
  const optimizer = (learningRate: number) => make({ tf, learningRate });
  return { optimizer, fineTune: { ...fineTune, optimizer } };
}
