import { NeuralDiffError } from '../model/index.js';
import type { Metrics, TrainedDiff } from '../train/index.js';

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
