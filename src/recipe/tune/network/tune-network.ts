import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../../model/errors.js';
import { useBackend } from '../../../tfjs/backend.js';
import { loadModel } from '../../../tfjs/layers-files.js';
import { checkChoice, checkNumber } from '../../../train/check.js';
import { isArrayData } from '../../../train/data.js';
import { checkRecipeData } from '../../check-data.js';
import { openBase } from '../../open-base.js';
import { loadRecipe, loadRecipeData, type RecipeData } from '../../recipe.js';
import { invalidRecipe } from '../../recipe-errors.js';
import type { KnownTask } from '../forecast.js';
import { applyRules } from '../rules.js';
import { defaultOf } from '../space.js';
import { createNetwork, networkOf } from './create-network.js';
import { type KeptTimes, measureSpace, type NetworkLimits } from './measure-space.js';
import { findNetwork } from './modes.js';
import {
  NETWORK_MODES,
  type NetworkMode,
  type NetworkTrial,
  type SearchSetup,
  type TrialRunner,
} from './search.js';
import type { Prediction } from './time-models.js';
import { networkTask, planOf } from './train-network.js';
import { createRunner } from './trainers.js';

/** What to look for, and how. */
export interface TuneNetworkOptions extends NetworkLimits {
  /** Path of a recipe with the export `network`, and validation data. */
  readonly recipe: string;
  /**
   * `multi-shot` trains many candidates, short at first; `single-shot` one network with the largest widths,
   * whose gates close; `zero-shot` only the one that scores best without training.
   */
  readonly mode: NetworkMode;
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
  /** What `multi-shot` learns from besides: trials of earlier searches in the same space. */
  readonly known?: readonly KnownTask[] | undefined;
  /** Where the search keeps what it has, so that another run goes on; by default nowhere. */
  readonly work?: SearchWork | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onTrial?: ((trial: NetworkTrial) => void) | undefined;
}

/** Where a search keeps what it has. */
export interface SearchWork extends KeptTimes {
  /** @returns what trains the networks, given what does it in threads of this process */
  runner(local: TrialRunner): TrialRunner;
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
  /** Trials of `multi-shot`, for later searches. */
  readonly learnt: KnownTask;
}

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
  const { setup, close } = await setUp(options);
  try {
    const { mode, recipe, backend = 'wasm', rules = [], known = [], trials: most = TRIALS } = options;
    const space = await measureSpace(setup, options, options.work);
    const search = { ...setup, ...space, known, most, onTrial: options.onTrial };
    const { model, found, trials, epochs, learnt } = await findNetwork(mode, search);
    const { epochs: whole, learningRate, seed } = setup.training;
    const { latency, limit, times } = search;
    const document: NetworkDocument = {
      format: 'neural-diff network search',
      version: 1,
      mode,
      settings: { recipe, backend, seed, epochs: whole, learningRate, rules },
      reference: { milliseconds: times.referenceMs },
      limit,
      layers: latency.table.rows,
      scale: latency.scale,
      prediction: times.prediction,
      trials,
      spent: { seconds: (performance.now() - started) / 1000, epochs },
      found,
    };
    return { model, document, learnt };
  } finally {
    await close();
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
  for (const size of ['maxBytes', 'maxMemoryBytes'] as const)
    checkNumber(size, options[size], { least: 1, most: Number.MAX_VALUE });
  checkNumber('trials', trials, { least: 1, most: 10_000 });
  checkNumber('epochs', epochs, { least: 1, most: 100_000 });
}

/** @returns what a search begins with, and what frees it */
async function setUp(options: TuneNetworkOptions): Promise<{ setup: SearchSetup; close(): Promise<void> }> {
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
  const { workers = availableParallelism(), work } = options;
  const local = createRunner({ use, training, workers });
  const runner = work?.runner(local.runner) ?? local.runner;
  return {
    setup: { use, space, training, reference, runner, backend },
    async close() {
      await local.close();
      reference.dispose();
      tf.dispose(tensorsOf(data));
    },
  };
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
