import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { checkRegular } from '../node/read-whole.js';
import type { Data } from '../train/data.js';
import { type RecipeOptions, unknownOptions } from './options.js';

/** The data that a recipe returns. */
export interface RecipeData {
  readonly train: Data;
  /** Measured before and after training; without it no accuracy is reported. */
  readonly validation?: Data;
  /** Measured by reports, never used for training; the validation set by default. */
  readonly test?: Data;
  /** Names of the classes, in the order of the outputs; their numbers by default. */
  readonly labels?: readonly string[];
  /** A name for each example that reports measure. */
  readonly names?: readonly string[];
  /** Groupings of the same examples: by name of the grouping, a value for each example. */
  readonly slices?: Readonly<Record<string, readonly string[]>>;
}

/** The exports of a recipe module. */
export interface Recipe {
  /** Loads the examples. Use the `tf` passed in: tensors of another copy of TensorFlow.js do not mix. */
  readonly data: (context: {
    tf: typeof Tf;
    seed: number;
    signal: AbortSignal;
  }) => RecipeData | Promise<RecipeData>;
  /**
   * For a LayersModel anything that `model.compile` takes as `loss`; for others the name of a standard loss
   * (`LOSS_NAMES`) or a function of labels and output: one, a list, or a map by the outputs' names.
   */
  readonly loss: Tf.ModelCompileArgs['loss'];
  /**
   * For a LayersModel anything that `model.compile` takes as `metrics`; for others functions of labels and
   * first output, measured under their names. `accuracy` of cross-entropies is measured anyway.
   */
  readonly metrics?: Tf.ModelCompileArgs['metrics'];
  /** Creates the optimiser; Adam by default. */
  readonly optimizer?: (context: { tf: typeof Tf; learningRate: number }) => Tf.Optimizer;
  readonly options?: RecipeOptions;
}

const DATA_EXPORT = 'a function that returns { train, validation }';

/**
 * Loads a recipe.
 *
 * @param path an ES module
 * @throws NeuralDiffError `recipe-unreadable` if it cannot be imported, `file-unreadable` if it is not a
 *   regular file, `recipe-invalid` if an export is missing
 */
export async function loadRecipe(path: string): Promise<Recipe> {
  // The import of a named pipe would wait for ever.
  const found = await stat(path).catch(() => undefined);
  if (found) checkRegular(found, `Cannot read recipe "${path}"`);
  let module: Partial<Recipe>;
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    const message = `Cannot read recipe "${path}": ${(cause as Error).message}`;
    throw new NeuralDiffError('recipe-unreadable', message, { cause });
  }
  const { data, loss, optimizer, options } = module;
  expectExport(path, 'data', { isRight: typeof data === 'function', expected: DATA_EXPORT });
  expectExport(path, 'loss', {
    isRight: loss !== undefined,
    expected: 'the name of a loss or a function of labels and output, got none',
  });
  const isOptional = (value: unknown, type: string): boolean => value === undefined || typeof value === type;
  expectExport(path, 'optimizer', {
    isRight: isOptional(optimizer, 'function'),
    expected: 'a function or nothing',
  });
  expectExport(path, 'options', { isRight: isOptional(options, 'object'), expected: 'an object or nothing' });
  const unknown = unknownOptions(options ?? {});
  expectExport(path, 'options', { isRight: unknown.length === 0, expected: `without "${unknown}"` });
  for (const name of ['outputs', 'only', 'freeze'] as const) {
    const isRight = options?.[name] === undefined || isTexts(options[name]);
    expectExport(path, 'options', { isRight, expected: `an object with a list of texts as "${name}"` });
  }
  return module as Recipe;
}

function expectExport(path: string, name: string, check: { isRight: boolean; expected: string }): void {
  if (!check.isRight) throw invalidRecipe(path, `expected export "${name}" to be ${check.expected}`);
}

/** @param why what was expected of the recipe */
export function invalidRecipe(path: string, why: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('recipe-invalid', `Cannot use recipe "${path}": ${why}`, { cause });
}

/** Runs the recipe's `data` function and checks the structure of its result. */
export async function loadRecipeData(
  path: string,
  recipe: Recipe,
  context: Parameters<Recipe['data']>[0],
): Promise<RecipeData> {
  // On abort, throw the signal's reason rather than an error of the recipe.
  const stopped = rejectOnAbort(context.signal);
  const data = await Promise.race([stopped, runRecipe(path, () => recipe.data(context))]);
  const isSet = (value: unknown): boolean => typeof value === 'object' && value !== null;
  expectExport(path, 'data', { isRight: isSet(data) && isSet(data.train), expected: DATA_EXPORT });
  checkDescriptions(path, data);
  return data;
}

/**
 * Checks the types of the descriptions of examples; their number is checked when the examples are counted.
 */
function checkDescriptions(path: string, { test, labels, names, slices }: RecipeData): void {
  const expectField = (field: string, isRight: boolean, expected: string): void =>
    expectExport(path, 'data', { isRight, expected: `a function that returns ${expected} as "${field}"` });
  expectField('test', test === undefined || (typeof test === 'object' && test !== null), 'a set');
  expectField('labels', labels === undefined || isTexts(labels), 'a list of texts');
  expectField('names', names === undefined || isTexts(names), 'a list of texts');
  const isMap = typeof slices === 'object' && slices !== null && !Array.isArray(slices);
  const isSliced = isMap && Object.values(slices).every(isTexts);
  expectField('slices', slices === undefined || isSliced, 'lists of texts by name');
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/**
 * Runs code of a recipe.
 *
 * @throws NeuralDiffError `recipe-failed`, with the recipe's own error as its cause
 */
export async function runRecipe<T>(path: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof NeuralDiffError || (cause as Error)?.name === 'AbortError') throw cause;
    throw recipeFailed(path, cause);
  }
}

/**
 * Wraps the functions among a recipe's values, so that errors they throw later are reported as the recipe's.
 *
 * @param path the recipe
 * @param value a function, a list or map of functions, or anything else
 */
export function guardRecipe<T>(path: string, value: T): T {
  if (typeof value === 'function') {
    const guarded = (...args: unknown[]): unknown => {
      try {
        return value(...args);
      } catch (cause) {
        throw recipeFailed(path, cause);
      }
    };
    return guarded as T;
  }
  if (Array.isArray(value)) return value.map((item) => guardRecipe(path, item)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, guardRecipe(path, item)])) as T;
}

function recipeFailed(path: string, cause: unknown): NeuralDiffError {
  const message = `Recipe "${path}" failed: ${(cause as Error)?.message ?? String(cause)}`;
  return new NeuralDiffError('recipe-failed', message, { cause });
}
