import { NeuralDiffError } from '../model/errors.js';
import type { Metrics } from './task.js';

/** How long, and how fast, a full fine-tune trains. */
export interface TrainingPlan {
  readonly learningRate: number;
  readonly epochs: number;
}

/** The plan that did best on validation data. */
interface FoundPlan extends TrainingPlan {
  /** Whether the last epochs, of as many as are tried, were still an improvement. */
  readonly isImproving: boolean;
}

/** The first learning rate that is tried, and the bounds of all. */
const FIRST_RATE = 2e-3;
const RATES = { least: 2.5e-4, most: 1.6e-2 };

/** Epochs of a run that is to find the learning rate. */
const SHORT = 4;

/** Epochs that the best of these runs goes on for, as long as it does not get worse. */
const LONGER = [8, 16];

/** What counts as a difference of two accuracies, in standard errors of one. */
const SLACK = 0.5;

/** Trains from the base or from a result, with a cosine schedule of its own. */
type Run<T> = (plan: TrainingPlan, from?: T) => Promise<T>;

/**
 * Finds a learning rate and a number of epochs on validation data: doubles or halves the rate as long as
 * short runs get better, then goes on from the best of them, with warm restarts, as long as that does no
 * harm: between two that the data cannot tell apart the longer training is taken.
 *
 * Source of the restarts: I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
 * 2017.
 *
 * @param examples of the validation set
 * @throws NeuralDiffError `training-diverged` if that happens at every rate; what a run throws otherwise
 */
export async function searchPlan<T extends { readonly metrics: Metrics }>(
  examples: number,
  run: Run<T>,
): Promise<{ best: T; plan: FoundPlan }> {
  const { best: short, learningRate } = await searchRate(run);
  let best = short;
  let epochs = SHORT;
  let isImproving = false;
  for (const more of LONGER) {
    const next = await orDiverged(run({ learningRate, epochs: more }, best));
    const slack = SLACK * standardError(best.metrics, examples);
    if (next instanceof NeuralDiffError || !isBetter(next.metrics, best.metrics, -slack))
      return { best, plan: { learningRate, epochs, isImproving: false } };
    isImproving = isBetter(next.metrics, best.metrics, slack);
    best = next;
    epochs += more;
  }
  return { best, plan: { learningRate, epochs, isImproving } };
}

/** @returns the standard error of an accuracy; 0 if none is measured */
function standardError({ accuracy }: Metrics, examples: number): number {
  return accuracy === undefined ? 0 : Math.sqrt((accuracy * (1 - accuracy)) / Math.max(1, examples));
}

async function searchRate<T extends { readonly metrics: Metrics }>(run: Run<T>) {
  const runAt = (learningRate: number) => orDiverged(run({ learningRate, epochs: SHORT }));
  let learningRate = FIRST_RATE;
  let best = await runAt(learningRate);
  for (const factor of [2, 0.5]) {
    const first = learningRate;
    for (let rate = factor * first; rate <= RATES.most && rate >= RATES.least; rate *= factor) {
      const next = await runAt(rate);
      if (next instanceof NeuralDiffError) {
        // At lower rates training may not diverge.
        if (factor < 1 && best instanceof NeuralDiffError) continue;
        break;
      }
      if (!(best instanceof NeuralDiffError) && !isBetter(next.metrics, best.metrics)) break;
      [best, learningRate] = [next, rate];
    }
    if (learningRate !== first) break;
  }
  if (best instanceof NeuralDiffError) throw best;
  return { best, learningRate };
}

/** @returns the result, or the error if the training diverged */
async function orDiverged<T>(result: Promise<T>): Promise<T | NeuralDiffError> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'training-diverged') return error;
    throw error;
  }
}

/** @returns whether the accuracy is higher, by more than a margin; without one, whether the loss is lower */
function isBetter(metrics: Metrics, others: Metrics, margin = 0): boolean {
  const [accuracy, before] = [metrics.accuracy, others.accuracy];
  if (accuracy !== undefined && before !== undefined && accuracy !== before + margin)
    return accuracy > before + margin;
  return (metrics.loss as number) < (others.loss as number);
}
