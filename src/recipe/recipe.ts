import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Tf from '@tensorflow/tfjs';
import { suggest } from '../model/suggest.js';
import { checkRegular } from '../node/read-whole.js';
import type { Data } from '../train/data.js';
import { OPTION_PATHS, type RecipeOptions, unknownOptions } from './options.js';
import { invalidRecipe, runRecipe, settle, unreadableRecipe } from './recipe-errors.js';
import { routesProblem, streamProblem } from './stream.js';
import { networkProblem } from './tune/network/network-space.js';

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

/** What a recipe module exports: each by its name, or all as its default export. */
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
  /**
   * Files and folders that `data` reads, relative to the recipe: other machines of a farm get copies. Modules
   * that are imported by relative paths need not be listed.
   */
  readonly files?: readonly string[];
  /** An untrained network whose width, depth and blocks are to be found: `docs/RECIPES.md`. */
  readonly network?: {
    /** By name, the values to choose from, the first of which is the default; `when` ties it to others. */
    readonly choices: Readonly<
      Record<
        string,
        | readonly (string | number)[]
        | {
            readonly values: readonly (string | number)[];
            readonly when: Readonly<Record<string, readonly (string | number)[]>>;
          }
      >
    >;
    /** Makes the network of a configuration. */
    readonly create: (context: {
      tf: typeof Tf;
      seed: number;
      choice: Readonly<Record<string, string | number>>;
      /** Marks the tensor whose last dimension the choice of that name decides; returns one like it. */
      gate: (tensor: Tf.SymbolicTensor, name: string) => Tf.SymbolicTensor;
      /** Makes the branch that the choice of that name decides, of those by its values. */
      pick: (name: string, branches: Readonly<Record<string, () => Tf.SymbolicTensor>>) => Tf.SymbolicTensor;
    }) => Tf.LayersModel;
  };
  /** A LayersModel that chooses a branch for each frame of a stream, for reports: `docs/RECIPES.md`. */
  readonly stream?: {
    /** Seconds from one frame to the next. */
    readonly frameSeconds: number;
    /** Speeds of the threads to simulate, in FLOP/s: 1 to 8 of them. */
    readonly threads: readonly number[];
    /** By name, FLOPs of a frame that takes the branch, with all that runs in every frame: 1 to 256. */
    readonly branches: Readonly<Record<string, number>>;
    /** Runs the model on all streams, as one thread would. */
    readonly run: (context: {
      tf: typeof Tf;
      /** With the weights to measure; it is disposed of later. */
      model: Tf.LayersModel;
      /** Speed of the thread, in FLOP/s, for models that choose by their backlog. */
      flopsPerSecond: number;
      seed: number;
      signal: AbortSignal;
    }) =>
      | {
          /** For each stream, for each frame the place of its branch in the order of `branches`. */
          readonly routes: readonly Uint8Array[];
          /** Finite numbers that reports show by these names. */
          readonly metrics?: Readonly<Record<string, number>>;
        }
      | Promise<{
          readonly routes: readonly Uint8Array[];
          readonly metrics?: Readonly<Record<string, number>>;
        }>;
  };
}

/**
 * Types a recipe, so that editors complete and check it.
 *
 * @param recipe what a recipe module exports
 * @returns the same object, for the default export of the module
 *
 * @example
 * const recipe = defineRecipe({
 *   data: ({ tf }) => ({ train: { xs: tf.zeros([8, 2]), ys: tf.ones([8, 1]) } }),
 *   loss: 'meanSquaredError',
 * });
 * console.log(recipe.loss);
 */
export function defineRecipe(recipe: Recipe): Recipe {
  return recipe;
}

/** Minutes that `data` may take, by default. */
const DATA_MINUTES = 10;

const DATA_EXPORT = 'a function that returns { train, validation }';

/**
 * Loads a recipe.
 *
 * @param path an ES module
 * @throws NeuralDiffError `recipe-unreadable` if it cannot be imported, `file-unreadable` if it is not a
 *   regular file, `recipe-invalid` if an export is missing, unknown or of the wrong type
 */
export async function loadRecipe(path: string): Promise<Recipe> {
  // The import of a named pipe would wait for ever.
  const found = await stat(path).catch(() => undefined);
  if (found) checkRegular(found, `Cannot read recipe "${path}"`);
  let module: Readonly<Record<string, unknown>>;
  try {
    const imported = import(pathToFileURL(resolve(path)).href);
    module = await settle(imported, { name: 'the import', minutes: Number.POSITIVE_INFINITY });
  } catch (cause) {
    throw unreadableRecipe(path, cause);
  }
  const recipe = wholeRecipe(path, module);
  checkNames(path, Object.keys(recipe));
  const { data, loss, optimizer, options, files, network, stream } = recipe;
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
  expectExport(path, 'files', {
    isRight: files === undefined || isTexts(files),
    expected: 'a list of texts',
  });
  const problem = network === undefined ? undefined : networkProblem(network);
  expectExport(path, 'network', { isRight: problem === undefined, expected: problem ?? '' });
  const wrong = stream === undefined ? undefined : streamProblem(stream);
  expectExport(path, 'stream', { isRight: wrong === undefined, expected: wrong ?? '' });
  const unknown = unknownOptions(options ?? {});
  const hint = suggest(unknown[0] ?? '', OPTION_PATHS);
  expectExport(path, 'options', { isRight: unknown.length === 0, expected: `without "${unknown}"${hint}` });
  for (const name of ['outputs', 'only', 'freeze'] as const) {
    const isRight = options?.[name] === undefined || isTexts(options[name]);
    expectExport(path, 'options', { isRight, expected: `an object with a list of texts as "${name}"` });
  }
  const minutes = options?.dataMinutes ?? DATA_MINUTES;
  const isTime = typeof minutes === 'number' && minutes > 0;
  expectExport(path, 'options', { isRight: isTime, expected: 'an object with minutes as "dataMinutes"' });
  return recipe as Recipe;
}

/** What a recipe may export. */
const EXPORTS = [
  'data',
  'loss',
  'metrics',
  'optimizer',
  'options',
  'files',
  'network',
  'stream',
] as const satisfies (keyof Recipe)[];

/** Names that Node.js adds to a CommonJS module. */
const ADDED = ['default', 'module.exports', '__esModule'];

/** @returns the named exports of a module, or the object that is its default export */
function wholeRecipe(path: string, module: Readonly<Record<string, unknown>>): Partial<Recipe> {
  const { default: whole } = module;
  const named = Object.keys(module).filter((name) => !ADDED.includes(name));
  const values = typeof whole === 'object' && whole !== null ? (whole as typeof module) : undefined;
  if (named.length === 0 && values !== undefined) return values;
  // Node.js lists what a CommonJS module exports twice.
  const isTwice = values !== undefined && named.every((name) => values[name] === module[name]);
  if (whole === undefined || isTwice) return module;
  const expected = 'expected named exports, or one default export that is an object with all of them';
  throw invalidRecipe(path, `${expected}, got ${named.length > 0 ? 'both' : 'a default export only'}`);
}

function checkNames(path: string, names: readonly string[]): void {
  const unknown = names.find((name) => ![...EXPORTS, ...ADDED].includes(name));
  if (unknown === undefined) return;
  const advice = suggest(unknown, EXPORTS) || '; move what other modules need to a file of its own';
  throw invalidRecipe(path, `expected only the exports ${EXPORTS.join(', ')}, got "${unknown}"${advice}`);
}

function expectExport(path: string, name: string, check: { isRight: boolean; expected: string }): void {
  if (!check.isRight) throw invalidRecipe(path, `expected export "${name}" to be ${check.expected}`);
}

/**
 * Runs the recipe's `data` function and checks the structure of its result.
 *
 * @throws NeuralDiffError `recipe-failed` also if it takes too long or never ends; `recipe-invalid`; the
 *   signal's reason
 */
export async function loadRecipeData(
  path: string,
  recipe: Recipe,
  context: Parameters<Recipe['data']>[0],
): Promise<RecipeData> {
  // On abort, throw the signal's reason rather than an error of the recipe.
  const stopped = rejectOnAbort(context.signal);
  const minutes = recipe.options?.dataMinutes ?? DATA_MINUTES;
  const run = async () => recipe.data(context);
  const loaded = runRecipe(path, () => settle(run(), { name: '"data"', minutes }));
  const data = await Promise.race([stopped, loaded]);
  const isSet = (value: unknown): boolean => typeof value === 'object' && value !== null;
  expectExport(path, 'data', { isRight: isSet(data) && isSet(data.train), expected: DATA_EXPORT });
  checkDescriptions(path, data);
  return data;
}

/** Streams of a recipe. */
type Stream = NonNullable<Recipe['stream']>;

/**
 * Runs a model on the streams of a recipe and checks the structure of the result.
 *
 * @throws NeuralDiffError `recipe-failed` also if it never ends; `recipe-invalid`; the signal's reason
 */
export async function runRecipeStream(
  path: string,
  stream: Stream,
  context: Parameters<Stream['run']>[0],
): Promise<Awaited<ReturnType<Stream['run']>>> {
  const stopped = rejectOnAbort(context.signal);
  const run = async () => stream.run(context);
  const limit = { name: '"stream.run"', minutes: Number.POSITIVE_INFINITY };
  const found = await Promise.race([stopped, runRecipe(path, () => settle(run(), limit))]);
  const problem = routesProblem(found, Object.keys(stream.branches));
  if (problem !== undefined) throw invalidRecipe(path, `expected "stream.run" to return ${problem}`);
  return found;
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
