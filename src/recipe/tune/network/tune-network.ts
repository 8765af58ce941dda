import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';
import { useBackend } from '../../../tfjs/backend.js';
import { loadModel } from '../../../tfjs/layers-files.js';
import { checkChoice, checkNumber } from '../../../train/check.js';
import { isArrayData } from '../../../train/data.js';
import { createRandom } from '../../../train/random.js';
import { checkRecipeData } from '../../check-data.js';
import { openBase } from '../../open-base.js';
import { loadRecipe, loadRecipeData, type RecipeData } from '../../recipe.js';
import { invalidRecipe } from '../../recipe-errors.js';
import { applyRules } from '../rules.js';
import { type Configuration, defaultOf, keyOf, listAll, type Space, sample } from '../space.js';
import { createNetwork, networkOf } from './create-network.js';
import { Latency } from './latency.js';
import { findNetwork } from './modes.js';
import { NETWORK_MODES, type NetworkMode, type NetworkTrial, type SearchSetup } from './search.js';
import { comparePredicted, type Prediction, timeModels } from './time-models.js';
import { networkTask, planOf } from './train-network.js';

/** What to look for, and how. */
export interface TuneNetworkOptions {
  /** Path of a recipe with the export `network`, and validation data. */
  readonly recipe: string;
  /**
   * `multi-shot` trains many candidates, short at first; `single-shot` one network with the largest widths,
   * whose gates close; `zero-shot` only the one that scores best without training.
   */
  readonly mode: NetworkMode;
  /** Longest time of inference of one example, in milliseconds. */
  readonly maxInferMs?: number | undefined;
  /** The same as a share of what the reference takes. */
  readonly maxInferShare?: number | undefined;
  /** Folder of a LayersModel to compare with; by default the network of the defaults. */
  readonly base?: string | undefined;
  /** Fix or exclude choices: `depth=4`. */
  readonly rules?: readonly string[] | undefined;
  /** Of the found network; by default those of the recipe's full fine-tune. */
  readonly epochs?: number | undefined;
  readonly learningRate?: number | undefined;
  /** Whole trainings that `multi-shot` may spend; default 8. */
  readonly trials?: number | undefined;
  /** Candidates of `multi-shot` that train at once, each in a thread; by default one per processor. */
  readonly workers?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
  readonly backend?: 'wasm' | 'cpu' | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onTrial?: ((trial: NetworkTrial) => void) | undefined;
}

/** What a search comes to, as plain data. */
export interface NetworkDocument {
  readonly format: 'neural-diff network search';
  readonly version: 1;
  readonly mode: NetworkMode;
  readonly settings: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  /** What the found network is compared with, in milliseconds. */
  readonly reference: { readonly milliseconds: number };
  /** Longest time, in milliseconds. */
  readonly limit: number;
  /** What each layer takes, in milliseconds. */
  readonly layers: readonly { readonly layer: string; readonly milliseconds: number }[];
  /** What whole networks take in relation to the sums over their layers. */
  readonly scale: number;
  /** Of networks that the scale was not taken from. */
  readonly prediction: Prediction;
  readonly trials: readonly NetworkTrial[];
  readonly spent: { readonly seconds: number; readonly epochs: number };
  /** The found network; its share of the time of the reference, in turns with it. */
  readonly found: NetworkTrial & { readonly share: number };
}

/** A found network. */
export interface FoundNetwork {
  /** Trained; the caller saves and disposes of it. */
  readonly model: tf.LayersModel;
  readonly document: NetworkDocument;
}

/** Configurations that are looked at. */
const POOL = 320;

/** Networks that are measured as a whole, to compare them with sums over the table. */
const CHECKED = 20;

/** Whole trainings that a search by trials spends. */
const TRIALS = 8;

/**
 * Finds the network of a recipe that is best on the validation set within a time of inference.
 *
 * @returns the trained network, and all that was tried
 * @throws RangeError for limits and rules that cannot be; NeuralDiffError `recipe-invalid` for a recipe
 *   without a network or validation data, `budget-impossible` if no network is fast enough,
 *   `unsupported-model`, those of training; the signal's reason
 */
export async function tuneNetwork(options: TuneNetworkOptions): Promise<FoundNetwork> {
  checkOptions(options);
  const started = performance.now();
  const setup = await setUp(options);
  const { use, space, reference, training } = setup;
  try {
    const latency = new Latency(use);
    const pool = poolOf(space, training.seed);
    await latency.measure(pool);
    const { referenceMs, prediction } = await checkTable(setup, latency, pool);
    const limit = options.maxInferMs ?? (options.maxInferShare as number) * referenceMs;
    const within = pool.filter((each) => latency.costOf(each).milliseconds <= limit);
    if (within.length === 0)
      throw tooSlow(
        limit,
        pool.map((each) => latency.costOf(each).milliseconds),
      );
    const search = { ...setup, latency, pool: within, limit, referenceMs, most: options.trials ?? TRIALS };
    const { mode, onTrial, recipe, backend = 'wasm', rules = [] } = options;
    const { model, found, trials, epochs } = await findNetwork(mode, { ...search, onTrial });
    const { epochs: whole, learningRate, seed } = training;
    const document: NetworkDocument = {
      format: 'neural-diff network search',
      version: 1,
      mode,
      settings: { recipe, backend, seed, epochs: whole, learningRate, rules },
      reference: { milliseconds: referenceMs },
      limit,
      layers: latency.table.rows,
      scale: latency.scale,
      prediction,
      trials,
      spent: { seconds: (performance.now() - started) / 1000, epochs },
      found,
    };
    return { model, document };
  } finally {
    reference.dispose();
    tf.dispose(setup.own);
  }
}

function checkOptions(options: TuneNetworkOptions): void {
  const { mode, maxInferMs, maxInferShare, trials, epochs, workers } = options;
  checkChoice('mode', mode, NETWORK_MODES);
  if ((maxInferMs === undefined) === (maxInferShare === undefined))
    throw new RangeError('Cannot tune a network: expected either maxInferMs or maxInferShare');
  checkNumber('maxInferMs', maxInferMs, { least: Number.MIN_VALUE, most: Number.MAX_VALUE });
  checkNumber('maxInferShare', maxInferShare, { least: Number.MIN_VALUE, most: 1000 });
  if (workers !== undefined && !Number.isInteger(workers))
    throw new RangeError(`Cannot use ${workers} workers: expected a whole number`);
  checkNumber('workers', workers, { least: 1, most: 1000 });
  checkNumber('trials', trials, { least: 1, most: 10_000 });
  checkNumber('epochs', epochs, { least: 1, most: 100_000 });
}

async function setUp(options: TuneNetworkOptions): Promise<SearchSetup & { own: tf.Tensor[] }> {
  const { recipe: path, seed = 0, backend = 'wasm', signal = new AbortController().signal, base } = options;
  const recipe = await loadRecipe(path);
  const use = networkOf(path, recipe);
  const space = applyRules(use.space, options.rules ?? []);
  await useBackend(backend);
  const recipeUse = { path, recipe, options: recipe.options ?? {} };
  const data = await loadRecipeData(path, recipe, { tf, seed, signal });
  const { train, validation } = data;
  if (validation === undefined)
    throw invalidRecipe(path, 'expected "data" to return a validation set, by which a network is chosen');
  const plan = planOf(options, recipeUse);
  const training = { use: recipeUse, data: { train, validation }, ...plan, seed, signal };
  const { model } = createNetwork(use, defaultOf(space), { seed });
  await checkRecipeData(await networkTask(model, training), data, signal);
  const reference = base === undefined ? model : await loadBase(base);
  if (reference !== model) model.dispose();
  const { workers = availableParallelism() } = options;
  return { use, space, training, reference, workers, backend, own: tensorsOf(data) };
}

async function loadBase(base: string): Promise<tf.LayersModel> {
  const { kind, files, file, store } = await openBase({ base });
  try {
    if (kind === 'layers-model') return await loadModel(files, file);
    const message = `Cannot compare with "${base}": expected a LayersModel, got ${kind}`;
    throw new NeuralDiffError('unsupported-model', message);
  } finally {
    await store.close();
  }
}

/** @returns the tensors of array sets, which belong to who called `data` */
function tensorsOf(data: RecipeData): tf.Tensor[] {
  const isTensor = (value: unknown): value is tf.Tensor => value instanceof tf.Tensor;
  return [data.train, data.validation, data.test]
    .filter((set) => set !== undefined)
    .flatMap((set) => (isArrayData(set) ? [set.xs, set.ys] : []))
    .flatMap((tensors) => (isTensor(tensors) ? [tensors] : Object.values(tensors).filter(isTensor)));
}

/** @returns distinct configurations: all there are, or random ones */
function poolOf(space: Space, seed: number): Configuration[] {
  const all = listAll(space, POOL);
  if (all) return all;
  const random = createRandom((seed + 17) >>> 0);
  const drawn = Array.from({ length: POOL }, () => sample(space, random));
  return [...new Map([defaultOf(space), ...drawn].map((each) => [keyOf(each), each])).values()];
}

/**
 * Measures some networks as a whole, in turns with the reference. Predictions are calibrated on half of them
 * and checked on the other half.
 */
async function checkTable(
  { use, reference }: SearchSetup,
  latency: Latency,
  pool: readonly Configuration[],
): Promise<{ referenceMs: number; prediction: Prediction }> {
  const checked = spreadOver(pool, (each) => latency.costOf(each).milliseconds);
  const models = checked.map((each) => createNetwork(use, each, { seed: 0 }).model);
  try {
    const { milliseconds, shares } = await timeModels([reference, ...models]);
    const referenceMs = milliseconds[0] as number;
    const measured = checked.map((configuration, i) => {
      return { configuration, milliseconds: (shares[i + 1] as number) * referenceMs };
    });
    latency.calibrate(measured.filter((_, i) => i % 2 === 0));
    const rest = measured.filter((_, i) => i % 2 === 1 || measured.length < 4);
    const predicted = rest.map(({ configuration }) => latency.costOf(configuration).milliseconds);
    const prediction = comparePredicted(
      predicted,
      rest.map((each) => each.milliseconds),
    );
    return { referenceMs, prediction };
  } finally {
    for (const model of models) model.dispose();
  }
}

/** @returns some configurations from the least to the most of a cost */
function spreadOver(
  pool: readonly Configuration[],
  costOf: (configuration: Configuration) => number,
): Configuration[] {
  const sorted = [...pool].sort((a, b) => costOf(a) - costOf(b));
  const count = Math.min(CHECKED, sorted.length);
  const step = (sorted.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, i) => sorted[Math.round(i * step)] as Configuration);
}

function tooSlow(limit: number, milliseconds: readonly number[]): NeuralDiffError {
  const least = Math.min(...milliseconds);
  const message = `Cannot find a network: expected inference within ${limit.toPrecision(3)} ms, the fastest of ${milliseconds.length} networks takes about ${least.toPrecision(3)} ms`;
  return new NeuralDiffError('budget-impossible', message, { facts: { limit, least } });
}
