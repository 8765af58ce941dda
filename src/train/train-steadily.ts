import * as tf from '@tensorflow/tfjs';
import { type LoopJob, trainParts } from './loop.js';
import type { LoopOptions } from './training-options.js';

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
      const stopsIfRising = restarts < MAX_RESTARTS;
      const onStep: LoopOptions['onStep'] = (report) => {
        done = before + report.done;
        options.onStep?.({ ...report, done, total: before + report.total });
      };
      const learningRate = (steps: number): number => peakOf(options, steps) / 2 ** restarts;
      if (await trainParts({ ...job, stopsIfRising }, { ...options, learningRate, onStep })) return;
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
