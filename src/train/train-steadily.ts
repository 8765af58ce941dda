import * as tf from '@tensorflow/tfjs';
import { type LoopJob, trainParts } from './loop.js';
import type { LoopOptions } from './training-options.js';

/** What counts as a rise of the loss; see `isRising`. */
const RISE = { first: 1.1, best: 1.5, share: 0.05 };

/** Most times that a run starts again; the rate is then an eighth. */
const MAX_RESTARTS = 3;

/**
 * Trains parts, and starts again from the same θ with half of the learning rate whenever the loss rises.
 * Where a full fine-tune was long, its changes, in whose units parts train, are far larger than a small diff
 * can use.
 *
 * @param job all state of its parts follows θ
 * @throws as `trainParts`
 */
export async function trainSteadily(job: LoopJob, options: LoopOptions): Promise<void> {
  const start = job.parts.flatMap(({ parameters }) =>
    parameters.map((variable) => ({ variable, value: tf.keep(variable.clone()) })),
  );
  let before = 0;
  let done = 0;
  try {
    for (let restarts = 0; ; restarts++) {
      const stopsIf = restarts < MAX_RESTARTS ? isRising : undefined;
      const onStep: LoopOptions['onStep'] = (report) => {
        done = before + report.done;
        options.onStep?.({ ...report, done, total: before + report.total });
      };
      const learningRate = (steps: number): number => peakOf(options, steps) / 2 ** restarts;
      if (await trainParts({ ...job, stopsIf }, { ...options, learningRate, onStep })) return;
      for (const { variable, value } of start) variable.assign(value as tf.Tensor);
      before = done;
    }
  } finally {
    tf.dispose(start.map(({ value }) => value));
  }
}

function peakOf({ learningRate }: LoopOptions, steps: number): number {
  return typeof learningRate === 'number' ? learningRate : learningRate(steps);
}

/**
 * Tells a rate that is too high by the mean losses of epochs. The loss rises if the last is 1.1 times the
 * first, or 1.5 times the lowest and higher by 5 % of the first: epochs of recurrent networks differ by a
 * fifth without being worse for it, and losses near zero by more. One epoch alone tells nothing: while the
 * rate warms up, its mean is above the loss of its first steps in many a run that then falls.
 *
 * @param losses at least one
 */
export function isRising(losses: readonly number[]): boolean {
  const [first, last] = [losses[0], losses.at(-1)] as [number, number];
  const lowest = Math.min(...losses);
  return last > RISE.first * first || (last > RISE.best * lowest && last - lowest > RISE.share * first);
}
