import { fingerprint } from '../src/model/fingerprint.js';
import { totalElements } from '../src/model/tensor.js';
import { importTraining } from '../src/recipe/import-training.js';
import type { FineTuneJob } from '../src/recipe/job.js';
import { type BaseModel, openBase, seedFor } from '../src/recipe/open-base.js';
import type { RecipeOptions } from '../src/recipe/options.js';
import { isShare } from '../src/recipe/search/prepare.js';
import { shareOf } from '../src/report/interval.js';
import type { Metrics } from '../src/train/task.js';
import type { TrainedDiff } from '../src/train/train-diff.js';
import type { CommonFlags, FlagsOf } from './command.js';
import type { RECIPE_FLAGS, TRAINING_FLAGS } from './flags.js';
import { countOf, formatBytes, formatShare, type Io, remark } from './io.js';
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
    `trains  ${countOf(trained.length, 'tensor')}, ${count} of ${weights} weights`,
    ...trained.map(({ name, shape }) => `        [${shape.join(', ')}]  ${JSON.stringify(name)}`),
  ];
  return { json: { weights: count, tensors: trained.map(({ name }) => name) }, lines };
}

/** Warns if the gap asked for is less than one of the examples that it is measured on. */
export function remarkCoarseGap(
  { maxGap, metric, examples }: { maxGap: number; metric: string; examples: number },
  { flags, io }: { flags: CommonFlags; io: Io },
): void {
  if (!isShare(metric) || examples === 0 || maxGap >= 1 / examples) return;
  const one = `one of ${examples} validation examples is ${formatShare(1 / examples)}`;
  const gap = formatShare(maxGap);
  remark(
    io,
    flags,
    `a gap of ${gap} cannot be told from none: ${one}; use more examples or another --max-gap`,
  );
}

/** @returns lines with the metrics of some models on validation data, a line for each metric */
export function describeMetrics(models: Readonly<Record<string, Metrics>>, examples: number): string[] {
  const [some = {}] = Object.values(models);
  const names = Object.keys(some);
  if (names.length === 0) return [];
  const write = (name: string, value = Number.NaN): string => {
    if (!isShare(name) || !(examples > 0)) return value.toFixed(4);
    const { low, high } = shareOf(Math.round(value * examples), examples);
    return `${value.toFixed(4)} ±${((high - low) / 2).toFixed(4)}`;
  };
  const lines = names.map((name) => {
    const values = Object.entries(models).map(([model, metrics]) => `${model} ${write(name, metrics[name])}`);
    return `${name}: ${values.join('  ')}`;
  });
  const intervals = names.some(isShare) ? '; ± is half of the 95 % interval' : '';
  return [...lines, `on ${examples > 0 ? `${examples} ` : ''}validation examples${intervals}`];
}

/** @returns lines on how the full fine-tune was trained, if that was found on validation data */
export function describePlan(plan: TrainedDiff['plan']): string[] {
  if (plan === undefined) return [];
  const { learningRate, epochs, isImproving } = plan;
  const line = `full fine-tune: learning rate ${learningRate}, ${countOf(epochs, 'epoch')}, found on validation data`;
  if (!isImproving) return [line];
  const advice = `set both, the epochs to ${2 * epochs}, in the recipe's "fineTune" or by flags of fine-tune`;
  return [line, `its last epochs were still an improvement: ${advice}`];
}

/** @returns lines that describe a trained diff */
export function describeTrained(
  diff: Pick<TrainedDiff, 'share' | 'base' | 'next' | 'metrics' | 'validationExamples' | 'plan'> & {
    payloadBytes: number;
  },
): string[] {
  const { payloadBytes, share, metrics, base, next, validationExamples, plan } = diff;
  return [
    `payload  ${formatBytes(payloadBytes)}, ${formatShare(share)} of the float32 model`,
    `base     ${base}`,
    `next     ${next}`,
    ...describeMetrics({ base: metrics.base, full: metrics.full, diff: metrics.diff }, validationExamples),
    ...describePlan(plan),
  ];
}
