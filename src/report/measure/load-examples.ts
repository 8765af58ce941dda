import * as tf from '@tensorflow/tfjs';
import { loadRecipe, loadRecipeData, type Recipe, type RecipeData } from '../../recipe/recipe.js';
import { useBackend } from '../../tfjs/backend.js';
import { type Data, isArrayData } from '../../train/data.js';
import { checkSeed } from '../../train/random.js';
import type { DataFacts } from '../document.js';
import type { LiveModel } from './open-runner.js';
import type { ModelPaths } from './options.js';
import { bad } from './truth.js';

/** A model, and the examples on which it is measured. */
export interface AccuracyJob extends ModelPaths {
  /** Path of the recipe module. */
  readonly recipe: string;
  /** Seed for the recipe's data. */
  readonly seed: number;
  readonly backend: 'wasm' | 'cpu';
}

/** Loaded examples. */
export interface LoadedExamples {
  readonly model: LiveModel;
  readonly source: DataFacts['source'];
  /** All that the recipe returned. */
  readonly found: RecipeData;
  /** Streams of the recipe, if it has any. */
  readonly stream: Recipe['stream'];
}

/**
 * Loads the examples of a recipe, calls a function with them, and disposes of them.
 *
 * @throws NeuralDiffError `missing-package`, `recipe-unreadable`, `recipe-invalid`, `recipe-failed`,
 *   `bad-data`; the signal's reason
 */
export async function withExamples<T>(
  { base, chain, recipe: path, seed, backend }: AccuracyJob,
  signal: AbortSignal | undefined,
  use: (examples: LoadedExamples) => Promise<T>,
): Promise<T> {
  const recipe = await loadRecipe(path);
  checkSeed(seed);
  await useBackend(backend);
  const context = { tf, seed, signal: signal ?? new AbortController().signal };
  const found = await loadRecipeData(path, recipe, context);
  try {
    const { data, source } = chooseSet(found);
    const { outputs, outputKind } = recipe.options ?? {};
    return await use({
      model: { base, chain, outputs, outputKind, data },
      source,
      found,
      stream: recipe.stream,
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
