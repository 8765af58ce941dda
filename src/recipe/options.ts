import type { TrainHashDiffOptions } from '../hash-diff/train-hash-diff.js';
import type { TrainSparseDiffOptions } from '../sparse-diff/train-sparse-diff.js';
import type { NetworkTaskOptions } from '../train/network.js';
import type { Selection } from '../train/selection.js';
import type { TaskOptions } from '../train/task.js';
import type { TrainDiffOptions } from '../train/train-diff.js';
import type { TrainingOptions } from '../train/training-options.js';

/** Training options that a recipe may set; those of a job override them. */
export type RecipeOptions = Pick<
  TrainDiffOptions,
  'epochs' | 'epochScale' | 'batchSize' | 'microBatchSize' | 'learningRate'
> &
  Pick<TrainDiffOptions, 'distillation' | 'denseRate'> &
  Pick<TaskOptions, 'mode' | 'outputKind'> &
  Pick<NetworkTaskOptions, 'outputs'> &
  Selection & {
    /** Most minutes that the recipe's `data` may take. */
    readonly dataMinutes?: number;
    readonly fineTune?: Pick<TrainingOptions, 'epochs' | 'learningRate'> & Pick<TaskOptions, 'mode'>;
    /** For hash diffs only. */
    readonly hash?: Pick<TrainHashDiffOptions, 'coding' | 'zeros' | 'block' | 'scales'>;
    /** For sparse diffs only. */
    readonly sparse?: Pick<
      TrainSparseDiffOptions,
      'selection' | 'saliency' | 'scope' | 'bits' | 'temperatures' | 'fixedFrom'
    >;
  };

/** Known names of options and of the maps in them, so that misspelt ones are not ignored silently. */
const OPTION_NAMES: Readonly<Record<string, readonly string[]>> = {
  '': [
    'epochs',
    'epochScale',
    'batchSize',
    'microBatchSize',
    'learningRate',
    'denseRate',
    'mode',
    'outputs',
    'outputKind',
    'only',
    'freeze',
    'dataMinutes',
    'distillation',
    'fineTune',
    'hash',
    'sparse',
  ],
  distillation: ['weight', 'temperature', 'teachers'],
  fineTune: ['epochs', 'learningRate', 'mode'],
  hash: ['coding', 'zeros', 'block', 'scales'],
  sparse: ['selection', 'saliency', 'scope', 'bits', 'temperatures', 'fixedFrom'],
};

/** Names of all options, such as `epochs` and `sparse.bits`. */
export const OPTION_PATHS: readonly string[] = Object.entries(OPTION_NAMES).flatMap(([map, names]) =>
  names.map((name) => (map === '' ? name : `${map}.${name}`)),
);

/** @returns the unknown names in options, such as `sparse.bitz` */
export function unknownOptions(options: object, map = ''): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const path = map === '' ? name : `${map}.${name}`;
    if (!OPTION_NAMES[map]?.includes(name)) return [path];
    const isMap = map === '' && name in OPTION_NAMES && typeof value === 'object' && value !== null;
    return isMap ? unknownOptions(value, name) : [];
  });
}

/**
 * Merges the options of a job over those of its recipe; the maps `fineTune`, `hash` and `sparse` are merged
 * by name.
 *
 * @param recipe what the recipe exports
 * @param job what the job sets; undefined values are ignored
 */
export function mergeOptions(recipe: RecipeOptions, job: RecipeOptions): RecipeOptions {
  return {
    ...recipe,
    ...definedOnly(job),
    ...definedOnly({
      fineTune: mergeMaps(recipe.fineTune, job.fineTune),
      hash: mergeMaps(recipe.hash, job.hash),
      sparse: mergeMaps(recipe.sparse, job.sparse),
    }),
  };
}

function mergeMaps<T extends object>(recipe: T | undefined, job: T | undefined): T | undefined {
  return recipe && job ? { ...recipe, ...definedOnly(job) } : (job ?? recipe);
}

/** The same properties, made optional instead of possibly undefined. */
type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** @returns the entries whose value is not undefined */
export function definedOnly<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** Kinds of diffs that can be trained; of equally good ones, the first is chosen. */
export const DIFF_KINDS = ['hash', 'sparse'] as const;

export type DiffKind = (typeof DIFF_KINDS)[number];
