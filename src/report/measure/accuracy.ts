import * as tf from '@tensorflow/tfjs';
import { openBase } from '../../recipe/open-base.js';
import { loadRecipe, loadRecipeData, type RecipeData } from '../../recipe/recipe.js';
import { useBackend } from '../../tfjs/backend.js';
import { type Data, isArrayData } from '../../train/data.js';
import { readRows } from '../../train/predictor.js';
import { checkSeed } from '../../train/random.js';
import { compareModels, type Predictions, qualityOf, type Truth } from '../assess.js';
import type { Candidate, DataFacts, MeasuredModel } from '../document.js';
import type { Precision } from '../precision.js';
import type { CheckedPayload } from './open-payloads.js';
import { type LiveModel, withRunner } from './open-runner.js';
import type { ModelPaths } from './options.js';
import type { PrecisionOptions } from './precision/choose-precision.js';
import { measurePrecision } from './precision/measure-precision.js';
import { type Predicted, predict } from './predict.js';
import { readTruth } from './read-truth.js';
import type { Steps } from './steps.js';
import { bad } from './truth.js';

/** The input of measuring accuracy. */
export interface AccuracyJob extends ModelPaths {
  /** Path of the recipe module. */
  readonly recipe: string;
  /** Seed for the recipe's data. */
  readonly seed: number;
  readonly backend: 'wasm' | 'cpu';
}

/** Measured accuracies. */
export interface Accuracy {
  readonly data: DataFacts;
  readonly base: MeasuredModel;
  readonly full?: MeasuredModel;
  /** In the order of the payloads. */
  readonly candidates: readonly MeasuredCandidate[];
}

type MeasuredCandidate = Pick<Candidate, 'quality' | 'problem' | 'versusBase' | 'versusFull'>;

/** Checked examples, on which models can be measured. */
export interface AccuracyBench {
  /**
   * Measures base, full fine-tune and the payloads after decoding.
   *
   * @throws NeuralDiffError `bad-data` for a dataset that changes, `wrong-layout` for a full fine-tune with
   *   other classes, those of a model on disk; the signal's reason
   */
  measure(payloads: readonly CheckedPayload[], steps: Steps): Promise<Accuracy>;
  /**
   * Finds the coarsest grids of the base's tensors that keep a contract.
   *
   * @throws as `choosePrecision`
   */
  advisePrecision(options: PrecisionOptions): Promise<Precision>;
}

/**
 * Loads a recipe's examples, checks them and the model's outputs, calls a function with them, and disposes of
 * them.
 *
 * @throws NeuralDiffError `missing-package`, `recipe-unreadable`, `recipe-invalid`, `recipe-failed`,
 *   `bad-data`, `bad-model`; the signal's reason
 */
export async function withAccuracyBench<T>(
  job: AccuracyJob,
  signal: AbortSignal | undefined,
  use: (bench: AccuracyBench) => Promise<T>,
): Promise<T> {
  if (job.next !== undefined) await (await openBase({ base: job.next })).store.close();
  const recipe = await loadRecipe(job.recipe);
  checkSeed(job.seed);
  await useBackend(job.backend);
  const context = { tf, seed: job.seed, signal: signal ?? new AbortController().signal };
  const found = await loadRecipeData(job.recipe, recipe, context);
  try {
    const { data, source } = chooseSet(found);
    const { outputs, outputKind } = recipe.options ?? {};
    const model = { base: job.base, chain: job.chain, outputs, outputKind, data };
    const known = await withRunner(model, async (runner) => {
      const truth = await readTruth(runner, { data, descriptions: found, signal });
      return { truth, runtime: runner.runtime };
    });
    const setting = { model, source, ...known };
    return await use({
      measure: (payloads, steps) => measureAll(setting, { job, payloads, steps }),
      advisePrecision: (options) => measurePrecision(model, { ...options, found }),
    });
  } finally {
    disposeData(found);
  }
}

function chooseSet({ test, validation }: RecipeData): { data: Data; source: DataFacts['source'] } {
  if (test) return { data: test, source: 'test' };
  if (validation) return { data: validation, source: 'validation' };
  throw bad('expected "test" or "validation" among the data of the recipe, got neither');
}

/** Disposes of the recipe's arrays; datasets dispose of their tensors themselves. */
function disposeData(found: RecipeData): void {
  for (const set of [found.train, found.validation, found.test])
    if (set && isArrayData(set)) tf.dispose([set.xs, set.ys]);
}

/** A model and examples that fit it. */
interface Setting {
  readonly model: LiveModel;
  readonly truth: Truth;
  readonly source: DataFacts['source'];
  readonly runtime: string;
}

async function measureAll(
  setting: Setting,
  { job, payloads, steps }: { job: AccuracyJob; payloads: readonly CheckedPayload[]; steps: Steps },
): Promise<Accuracy> {
  const { truth, source, model, runtime } = setting;
  const base = await predictWith(setting, { name: 'the base', model, steps });
  const full =
    job.next === undefined
      ? undefined
      : await predictWith(setting, {
          name: 'the full fine-tune',
          model: { ...model, base: job.next, chain: [] },
          steps,
        });
  const candidates: MeasuredCandidate[] = [];
  for (const { name, path, made } of payloads) {
    const patched =
      made === undefined
        ? { ...model, chain: [...(model.chain ?? []), path] }
        : { ...model, base: made, chain: [] };
    const found = await predictWith(setting, { name: `"${name}"`, model: patched, steps });
    const versusBase = compare(truth, base, found);
    const versusFull = full && compare(truth, full, found);
    candidates.push({
      ...assess(truth, found, base),
      ...(versusBase && { versusBase }),
      ...(versusFull && { versusFull }),
    });
  }
  return {
    data: { source, examples: truth.classes.length, labels: truth.labels, runtime },
    base: assess(truth, base),
    ...(full && { full: assess(truth, full, base) }),
    candidates,
  };
}

function predictWith(
  { truth }: Setting,
  { name, model, steps }: { name: string; model: LiveModel; steps: Steps },
): Promise<Predicted> {
  const doing = `predicting with ${name}`;
  return steps.run(doing, () =>
    withRunner(model, (runner) =>
      predict(runner, {
        data: model.data,
        truth,
        readRows,
        onExamples: (done) => steps.report(`${doing}: ${done} of ${truth.classes.length} examples`),
      }),
    ),
  );
}

function assess(truth: Truth, found: Predicted, base?: Predicted): MeasuredModel {
  if ('problem' in found) return found;
  return { quality: qualityOf(truth, found.predictions, base && predictionsOf(base)) };
}

function compare(truth: Truth, reference: Predicted, candidate: Predicted): Candidate['versusBase'] {
  const models = { reference: predictionsOf(reference), candidate: predictionsOf(candidate) };
  if (!models.reference || !models.candidate) return undefined;
  return compareModels(truth, { reference: models.reference, candidate: models.candidate });
}

function predictionsOf(found: Predicted): Predictions | undefined {
  return 'predictions' in found ? found.predictions : undefined;
}
