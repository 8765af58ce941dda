import { fingerprint } from '../src/model/fingerprint.js';
import { openLayersStore } from '../src/model/layers-store.js';
import { totalElements } from '../src/model/tensor.js';
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
export function optionsOf({ epochs, batchSize, learningRate }: TrainingFlags): RecipeOptions {
  return { epochs, batchSize, learningRate };
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
  const files = await openBase(model);
  try {
    const store = await openLayersStore(files);
    const found = await fingerprint(store, { signal: io.signal });
    const { tensors } = store;
    return { fingerprint: found, seed: seedFor(found), tensors, weights: totalElements(tensors) };
  } finally {
    await files.close();
  }
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
