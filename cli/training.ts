import { fingerprint } from '../src/model/fingerprint.js';
import { totalElements } from '../src/model/tensor.js';
import { importTraining } from '../src/recipe/import-training.js';
import type { FineTuneJob } from '../src/recipe/job.js';
import { type BaseModel, openBase, seedFor } from '../src/recipe/open-base.js';
import type { RecipeOptions } from '../src/recipe/options.js';
import type { TrainedDiff } from '../src/train/train-diff.js';
import type { FlagsOf } from './command.js';
import type { RECIPE_FLAGS, TRAINING_FLAGS } from './flags.js';
import { formatBytes, formatShare, type Io } from './io.js';
import { readList } from './values.js';

/** Values of the flags of a training command; `fine-tune` has none of the diff's options. */
export type TrainingFlags = FlagsOf<typeof RECIPE_FLAGS> & Partial<FlagsOf<typeof TRAINING_FLAGS>>;

/** @returns the options that come before a recipe's own */
export function optionsOf(flags: TrainingFlags): RecipeOptions {
  const { epochs, batchSize, learningRate, only, freeze } = flags;
  const listed = (patterns: readonly string[]) => (patterns.length === 0 ? undefined : patterns);
  return { epochs, batchSize, learningRate, only: listed(only), freeze: listed(freeze) };
}

/** @returns the paths of the payloads that devices have applied; undefined without `--chain` */
export function chainOf(chain: readonly string[]): string[] | undefined {
  return chain.length === 0 ? undefined : chain.flatMap((list) => readList('chain', list));
}

/** @returns the model that devices have, as the flags name it */
export function baseOf({ base, chain }: Pick<TrainingFlags, 'base' | 'chain'>): BaseModel {
  const paths = chainOf(chain);
  return { base, ...(paths && { chain: paths }) };
}

/** @returns what is printed of a base model, and the seed for diffs of it */
export async function readBase(model: BaseModel, io: Io) {
  const { store } = await openBase(model);
  try {
    const found = await fingerprint(store, { signal: io.signal });
    const { tensors } = store;
    return { fingerprint: found, seed: seedFor(found), tensors, weights: totalElements(tensors) };
  } finally {
    await store.close();
  }
}

/** @returns what a dry run tells of the tensors that a job trains, as data and in lines */
export async function planTraining(job: FineTuneJob, { weights }: { weights: number }, io: Io) {
  const { planByRecipe } = await importTraining();
  const { trained } = await planByRecipe(job, io);
  const count = totalElements(trained);
  const lines = [
    `trains  ${trained.length} tensors, ${count} of ${weights} weights`,
    ...trained.map(({ name, shape }) => `        [${shape.join(', ')}]  ${JSON.stringify(name)}`),
  ];
  return { json: { weights: count, tensors: trained.map(({ name }) => name) }, lines };
}

/** @returns lines that describe a trained diff */
export function describeTrained(
  diff: Pick<TrainedDiff, 'share' | 'base' | 'next' | 'metrics'> & { payloadBytes: number },
): string[] {
  const { payloadBytes, share, metrics, base, next } = diff;
  const models = ['base', 'full', 'diff'] as const;
  return [
    `payload  ${formatBytes(payloadBytes)}, ${formatShare(share)} of the float32 model`,
    `base     ${base}`,
    `next     ${next}`,
    ...Object.keys(metrics.diff).map(
      (name) =>
        `${name}: ${models.map((model) => `${model} ${metrics[model][name]?.toFixed(4)}`).join('  ')}`,
    ),
  ];
}
