import { NeuralDiffError } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import { openModel } from '../../node/open-model.js';
import type { Budget } from '../../payload/encode.js';
import { budgetBytes, float32Bytes } from '../../payload/encode.js';
import type { Metrics } from '../../train/task.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { TrainingJob } from '../job.js';
import { DIFF_KINDS, type DiffKind } from '../options.js';

import { type Goal, nextTries, type PlannedTry } from './plan.js';

/** What is searched. */
export interface Search {
  /** What all tries share. */
  readonly job: Omit<TrainingJob, 'kind' | 'budget'>;
  /** Kinds of diffs that are tried; all unless given. */
  readonly kinds?: readonly ('hash' | 'sparse')[];
  /** The best diff within a budget, or the smallest within a gap. */
  readonly goal: { readonly budget: Budget } | SmallestOptions;
  /** `accuracy` where the recipe reports it, else `loss`; `wer:lower` for names that do not say what is better. */
  readonly metric?: string | undefined;
}

/** How the smallest diff is searched. */
export interface SmallestOptions {
  /** Most by which the metric may be behind that of the full fine-tune: 0.003 for 0.3 %. */
  readonly maxGap: number;
  /** Smallest budget to try; default 0.05 %. */
  readonly least?: Budget | undefined;
  /** Largest budget to try; default 10 %. */
  readonly most?: Budget | undefined;
  /** The budget is found to within this factor: 1.01 (many tries) to 4; default 1.15. */
  readonly precision?: number | undefined;
  /** Most tries of all kinds together; default 12. */
  readonly tries?: number | undefined;
}

/** A search with its limits in bytes. */
export interface PreparedSearch {
  readonly kinds: readonly DiffKind[];
  readonly goal: Goal;
  /** Nothing when it depends on what the recipe reports. */
  readonly metric: Metric | undefined;
  /** What is tried first. */
  readonly first: readonly PlannedTry<DiffKind>[];
}

/** Shares of the float32 model. */
const LEAST = 0.0005;
const START = 0.005;
const MOST = '10%';

/**
 * Reads the base and works out the limits of a search, without training.
 *
 * @throws RangeError for limits that mean nothing; NeuralDiffError `budget-impossible`, `missing-package`, those of a model
 * on disk
 */
export async function prepareSearch(search: Search): Promise<PreparedSearch> {
  const { kinds = DIFF_KINDS, job } = search;
  if (kinds.length === 0) throw new RangeError('Cannot search: expected at least one kind');
  const metric = search.metric === undefined ? undefined : readMetric(search.metric);
  const store = await openModel(job.base);
  const tensors = store.tensors;
  await store.close();
  const goal = await goalOf(search.goal, tensors);
  return { kinds, goal, metric, first: nextTries({ kinds, goal, ended: [] }) };
}

async function goalOf(goal: Search['goal'], tensors: readonly TensorInfo[]): Promise<Goal> {
  if ('budget' in goal) return { type: 'best', budgetBytes: budgetBytes(goal.budget, tensors) };
  const { maxGap, most = MOST, precision = 1.15, tries = 12 } = goal;
  expectRange('gap', maxGap, { least: 0, most: Number.MAX_VALUE });
  expectRange('precision', precision, { least: 1.01, most: 4 });
  expectRange('number of tries', tries, { least: 1, most: 1000 });
  if (!Number.isInteger(tries))
    throw new RangeError(`Cannot search with ${tries} tries: expected a whole number`);
  const shareBytes = (share: number) => Math.max(1, Math.floor(share * float32Bytes(tensors)));
  const mostBytes = budgetBytes(most, tensors);
  const leastBytes = possibleBytes(() => budgetBytes(goal.least ?? shareBytes(LEAST), tensors));
  if (leastBytes > mostBytes) {
    throw new RangeError(
      `Cannot search from ${leastBytes} to ${mostBytes} bytes: expected least to be below most`,
    );
  }
  const startBytes = Math.min(Math.max(leastBytes, shareBytes(START)), mostBytes);
  return { type: 'smallest', maxGap, leastBytes, startBytes, mostBytes, precision, tries };
}

function expectRange(name: string, value: number, { least, most }: { least: number; most: number }): void {
  if (value >= least && value <= most) return;
  throw new RangeError(`Cannot search with a ${name} of ${value}: expected ${least} to ${most}`);
}

/** Nothing is lost by a lower limit that is raised to what the smallest payload takes. */
function possibleBytes(read: () => number): number {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NeuralDiffError) || error.code !== 'budget-impossible') throw error;
    return error.facts.least as number;
  }
}

/** What diffs are compared by. */
export interface Metric {
  /** As the recipe reports it: `accuracy`, `loss`, … */
  readonly name: string;
  readonly better: 'higher' | 'lower';
}

const HIGHER = /(acc|accuracy|precision|recall|auc|f1)$/i;

const LOWER = /(loss|error|mse|mae|mape|crossentropy|proximity)$/i;

/**
 * Reads the name of a metric.
 *
 * @param text `accuracy`; `wer:lower` for one whose name does not say what is better
 * @throws RangeError when it is not known what is better
 */
export function readMetric(text: string): Metric {
  const [, name = '', better] = /^(.*?)(?::(higher|lower))?$/.exec(text) ?? [];
  const known = better ?? (HIGHER.test(name) ? 'higher' : LOWER.test(name) ? 'lower' : undefined);
  if (known) return { name, better: known as Metric['better'] };
  throw new RangeError(`Cannot use metric "${text}": expected "${name}:higher" or "${name}:lower"`);
}

/**
 * Chooses what to compare by.
 *
 * @param asked nothing for `accuracy` where it is reported, else `loss`
 * @param reported what was measured
 * @throws NeuralDiffError `recipe-invalid` when it was not
 */
export function chooseMetric(asked: Metric | undefined, reported: Metrics): Metric {
  const metric = asked ?? readMetric('accuracy' in reported ? 'accuracy' : 'loss');
  if (metric.name in reported) return metric;
  const names = Object.keys(reported).join(', ') || 'none';
  const message = `Cannot search by metric "${metric.name}": expected the recipe to report it on validation data, got ${names}`;
  throw new NeuralDiffError('recipe-invalid', message);
}

/** @returns how far a diff is behind the full fine-tune, below 0 when it is ahead; infinite when it has no value */
export function gapOf({ name, better }: Metric, { full, diff }: TrainedDiff['metrics']): number {
  const lead = (full[name] ?? Number.NaN) - (diff[name] ?? Number.NaN);
  if (!Number.isFinite(lead)) return Number.POSITIVE_INFINITY;
  return better === 'higher' ? lead : -lead;
}
