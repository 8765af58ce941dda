import * as tf from '@tensorflow/tfjs';
import { namedWeights } from 'neural-diff/tfjs';
import type { FrameSet } from './data.js';
import { rightShare, runStreams } from './measure.js';
import { toStreamArrays } from './training.js';

/** Steps by which a threshold rises, in units of the arbitrator's score, and the most of them. */
const STEP = 0.5;
const MOST_STEPS = 12;

/** Time of the full path in frames: a thread that keeps up. */
const LOAD = 0.5;

/** Share of the frames that may be wrong more often than before. */
const TOLERANCE = 0.001;

/**
 * Raises the arbitrator's threshold step by step: its last bias falls, and nothing else of the model changes,
 * so that such an update has few bytes.
 *
 * @param isEnough called after each step
 * @returns whether it was enough after `MOST_STEPS` or fewer
 */
export function raiseThreshold(model: tf.LayersModel, isEnough: () => boolean): boolean {
  for (let step = 0; step < MOST_STEPS; step++) {
    moveThreshold(model, 1);
    if (isEnough()) return true;
  }
  return false;
}

function moveThreshold(model: tf.LayersModel, steps: number): void {
  const bias = namedWeights(model).find(({ name }) => name === 'arbitrator/dense2/bias')?.variable;
  if (bias === undefined) throw new Error('Cannot move the threshold: the model has no arbitrator');
  tf.tidy(() => bias.assign(tf.sub(bias, STEP * steps)));
}

/**
 * Raises the arbitrator's threshold to the highest with which validation streams are recognised as well as
 * before, but for `TOLERANCE`.
 */
export function calibrateArbitrator(model: tf.LayersModel, set: FrameSet): void {
  const arrays = toStreamArrays(model, set, { loads: [LOAD] });
  const share = (): number => rightShare(runStreams(model, arrays).probabilities, set.labels);
  const shares: number[] = [];
  try {
    shares.push(share());
    raiseThreshold(model, () => {
      shares.push(share());
      return false;
    });
  } finally {
    tf.dispose(Object.values(arrays).flat());
  }
  const kept = shares.findLastIndex((each) => each >= (shares[0] as number) - TOLERANCE);
  moveThreshold(model, kept - MOST_STEPS);
}
