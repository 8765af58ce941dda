import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Tf from '@tensorflow/tfjs';
import type { TrainHashDiffOptions } from '../src/hash-diff/index.js';
import { NeuralDiffError } from '../src/index.js';
import type { TrainSparseDiffOptions } from '../src/sparse-diff/index.js';
import type { Data, TaskOptions, TrainDiffOptions, TrainingOptions } from '../src/train/index.js';

/** Data that a recipe hands over. */
export interface RecipeData {
  readonly train: Data;
  /** Measured before and after; without it no accuracy is reported. */
  readonly validation?: Data;
}

/** Training options that a recipe may set; flags of the command line come first. */
export type RecipeOptions = Pick<TrainDiffOptions, 'epochs' | 'batchSize' | 'learningRate'> &
  Pick<TrainDiffOptions, 'distillation' | 'denseBits'> &
  Pick<TaskOptions, 'mode' | 'outputKind'> & {
    readonly fineTune?: Pick<TrainingOptions, 'epochs' | 'learningRate'>;
    /** For `train hash` alone. */
    readonly hash?: Pick<TrainHashDiffOptions, 'coding' | 'block' | 'scales'>;
    /** For `train sparse` alone. */
    readonly sparse?: Pick<
      TrainSparseDiffOptions,
      'selection' | 'saliency' | 'scope' | 'bits' | 'temperatures' | 'fixedFrom'
    >;
  };

/** Names that `options`, and the maps in it, may have: a misspelt one would otherwise be passed over in silence. */
const OPTION_NAMES: Readonly<Record<string, readonly string[]>> = {
  '': [
    'epochs',
    'batchSize',
    'learningRate',
    'denseBits',
    'mode',
    'outputKind',
    'distillation',
    'fineTune',
    'hash',
    'sparse',
  ],
  distillation: ['weight', 'temperature'],
  fineTune: ['epochs', 'learningRate'],
  hash: ['coding', 'block', 'scales'],
  sparse: ['selection', 'saliency', 'scope', 'bits', 'temperatures', 'fixedFrom'],
};

/** @returns the names in a recipe's options that mean nothing, as `sparse.bitz` */
function unknownOptions(options: object, map = ''): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const path = map === '' ? name : `${map}.${name}`;
    if (!OPTION_NAMES[map]?.includes(name)) return [path];
    const isMap = map === '' && name in OPTION_NAMES && typeof value === 'object' && value !== null;
    return isMap ? unknownOptions(value, name) : [];
  });
}

/** What a recipe module exports. */
export interface Recipe {
  /** Loads the examples. Use the `tf` that is handed over: tensors of another copy do not mix. */
  readonly data: (context: {
    tf: typeof Tf;
    seed: number;
    signal: AbortSignal;
  }) => RecipeData | Promise<RecipeData>;
  /** Anything that `model.compile` takes as `loss`. */
  readonly loss: Tf.ModelCompileArgs['loss'];
  /** Anything that `model.compile` takes as `metrics`. */
  readonly metrics?: Tf.ModelCompileArgs['metrics'];
  /** Makes the optimiser; Adam unless given. */
  readonly optimizer?: (context: { tf: typeof Tf; learningRate: number }) => Tf.Optimizer;
  readonly options?: RecipeOptions;
}

const DATA_EXPORT = 'a function that returns { train, validation }';

/**
 * Loads a recipe.
 *
 * @param path an ES module
 * @throws NeuralDiffError `recipe-unreadable` when it cannot be imported, `recipe-invalid` when an export is missing
 */
export async function loadRecipe(path: string): Promise<Recipe> {
  let module: Partial<Recipe>;
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    const message = `Cannot read recipe "${path}": ${(cause as Error).message}`;
    throw new NeuralDiffError('recipe-unreadable', message, { cause });
  }
  const { data, loss, optimizer, options } = module;
  expectExport(path, 'data', { isRight: typeof data === 'function', expected: DATA_EXPORT });
  expectExport(path, 'loss', { isRight: loss !== undefined, expected: 'what model.compile takes as loss' });
  const isOptional = (value: unknown, type: string): boolean => value === undefined || typeof value === type;
  expectExport(path, 'optimizer', {
    isRight: isOptional(optimizer, 'function'),
    expected: 'a function or nothing',
  });
  expectExport(path, 'options', { isRight: isOptional(options, 'object'), expected: 'an object or nothing' });
  const unknown = unknownOptions(options ?? {});
  expectExport(path, 'options', { isRight: unknown.length === 0, expected: `without "${unknown}"` });
  return module as Recipe;
}

function expectExport(path: string, name: string, check: { isRight: boolean; expected: string }): void {
  if (check.isRight) return;
  const message = `Cannot use recipe "${path}": expected export "${name}" to be ${check.expected}`;
  throw new NeuralDiffError('recipe-invalid', message);
}

/**
 * Runs code of a recipe.
 *
 * @throws NeuralDiffError `recipe-failed` with the recipe's own error as cause
 */
export async function runRecipe<T>(path: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof NeuralDiffError || (cause as Error)?.name === 'AbortError') throw cause;
    throw recipeFailed(path, cause);
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/**
 * Wraps the functions among a recipe's values, so that what they throw later is known to be the recipe's.
 *
 * @param path the recipe
 * @param value a function, a list or map of such, or anything else
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

/** @returns the recipe's data, checked for its outer shape */
export async function loadRecipeData(
  path: string,
  recipe: Recipe,
  context: Parameters<Recipe['data']>[0],
): Promise<RecipeData> {
  const data = await runRecipe(path, () =>
    Promise.race([recipe.data(context), rejectOnAbort(context.signal)]),
  );
  const isSet = (value: unknown): boolean => typeof value === 'object' && value !== null;
  expectExport(path, 'data', { isRight: isSet(data) && isSet(data.train), expected: DATA_EXPORT });
  return data;
}
