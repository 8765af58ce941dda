import { NeuralDiffError } from '../../model/errors.js';
import type { TensorInfo } from '../../model/tensor.js';
import { openModel } from '../../node/open-model.js';
import { type Budget, budgetBytes, float32Bytes } from '../../payload/encode.js';
import type { Metrics } from '../../train/task.js';
import type { TrainedDiff } from '../../train/train-diff.js';
import type { TrainingJob } from '../job.js';
import { DIFF_KINDS, type DiffKind } from '../options.js';
import { type Goal, nextTries, type PlannedTry } from './plan.js';

/** A search for a diff. */
export interface Search {
  /** The settings shared by all tries. */
  readonly job: Omit<TrainingJob, 'kind' | 'budget'>;
  /** Kinds of diffs to try; all by default. */
  readonly kinds?: readonly DiffKind[];
  /** The best diff within a budget, or the smallest within a gap. */
  readonly goal: { readonly budget: Budget } | SmallestOptions;
  /**
   * `accuracy` if the recipe reports it, else `loss`; write `wer:lower` for names that do not imply a
   * direction.
   */
  readonly metric?: string | undefined;
}

/** How to search for the smallest diff. */
export interface SmallestOptions {
  /** Largest acceptable gap to the metric of the full fine-tune: 0.003 for 0.3 %. */
  readonly maxGap: number;
  /** Smallest budget to try; default 0.05 %. */
  readonly least?: Budget | undefined;
  /** Largest budget to try; default 10 %. */
  readonly most?: Budget | undefined;
  /** The budget is determined within this factor: 1.01 (many tries) to 4; default 1.15. */
  readonly precision?: number | undefined;
  /** Most tries of all kinds together; default 12. */
  readonly tries?: number | undefined;
}

/** A search with its limits in bytes. */
export interface PreparedSearch {
  readonly kinds: readonly DiffKind[];
  readonly goal: Goal;
  /** Undefined if it depends on what the recipe reports. */
  readonly metric: Metric | undefined;
  /** The first tries. */
  readonly first: readonly PlannedTry<DiffKind>[];
}

/** Shares of the float32 model. */
const LEAST = 0.0005;
const START = 0.005;
const MOST = '10%';

/**
 * Reads the base and computes the limits of a search, without training.
 *
 * @throws RangeError for invalid limits; NeuralDiffError `budget-impossible`, `missing-package`, those of a
 *   model on disk
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
      `Cannot search from ${leastBytes} to ${mostBytes} bytes: expected "least" to be at most "most"`,
    );
  }
  const startBytes = Math.min(Math.max(leastBytes, shareBytes(START)), mostBytes);
  return { type: 'smallest', maxGap, leastBytes, startBytes, mostBytes, precision, tries };
}

function expectRange(name: string, value: number, { least, most }: { least: number; most: number }): void {
  if (value >= least && value <= most) return;
  throw new RangeError(`Cannot search with a ${name} of ${value}: expected ${least} to ${most}`);
}

/** Raises an impossible lower limit to the size of the smallest payload. */
function possibleBytes(read: () => number): number {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NeuralDiffError) || error.code !== 'budget-impossible') throw error;
    return error.facts.least as number;
  }
}

/** The metric by which diffs are compared. */
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
 * @param text `accuracy`; `wer:lower` for a name that does not imply a direction
 * @throws RangeError if the direction is unknown
 */
export function readMetric(text: string): Metric {
  const [, name = '', better] = /^(.*?)(?::(higher|lower))?$/.exec(text) ?? [];
  const known = better ?? (HIGHER.test(name) ? 'higher' : LOWER.test(name) ? 'lower' : undefined);
  if (known) return { name, better: known as Metric['better'] };
  throw new RangeError(`Cannot use metric "${text}": expected "${name}:higher" or "${name}:lower"`);
}

/**
 * Chooses the metric to compare by.
 *
 * @param asked undefined for `accuracy` if it is reported, else `loss`
 * @param reported the measured metrics
 * @throws NeuralDiffError `recipe-invalid` if the metric was not measured
 */
export function chooseMetric(asked: Metric | undefined, reported: Metrics): Metric {
  const metric = asked ?? readMetric('accuracy' in reported ? 'accuracy' : 'loss');
  if (metric.name in reported) return metric;
  const names = Object.keys(reported).join(', ') || 'none';
  const message = `Cannot search by metric "${metric.name}": expected the recipe to report it on validation data, got ${names}`;
  throw new NeuralDiffError('recipe-invalid', message);
}

/**
 * @returns how far a diff is behind the full fine-tune; below 0 if it is ahead, infinite if it has no value
 */
export function gapOf({ name, better }: Metric, { full, diff }: TrainedDiff['metrics']): number {
  const lead = (full[name] ?? Number.NaN) - (diff[name] ?? Number.NaN);
  if (!Number.isFinite(lead)) return Number.POSITIVE_INFINITY;
  return better === 'higher' ? lead : -lead;
}

/** Names of metrics that are shares of examples. */
const SHARES = /acc(uracy)?$/i;

/** @returns whether a metric is a share of examples, so that one example more or less is a step of it */
export function isShare(metric: string): boolean {
  return SHARES.test(metric);
}
