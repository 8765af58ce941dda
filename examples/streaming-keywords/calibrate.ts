import * as tf from '@tensorflow/tfjs';
import { namedWeights } from 'neural-diff/tfjs';
import type { FrameSet } from './data.js';
import { chooseThreshold, rightShare, runStreams } from './measure.js';
import { toStreamArrays } from './training.js';

/** By how much a threshold rises at most, in units of the arbitrator's score. */
const MOST = 6;

/** Halvings of `MOST` by which a threshold is found: near some, a tenth changes the full branch's share. */
const HALVINGS = 7;

/** Time of the full path in frames: a thread that keeps up. */
const LOAD = 0.5;

/** What a threshold may cost: shares of the frames and of the words, at least one, that become wrong. */
const TOLERANCE = { frames: 0.0005, words: 0.0025 };

/**
 * Raises the arbitrator's threshold by the least that is enough: its last bias falls, and nothing else of the
 * model changes, so that such an update has few bytes.
 *
 * @param isEnough called after each change
 * @returns whether it is enough; otherwise the threshold has risen by the most
 */
export function raiseThreshold(model: tf.LayersModel, isEnough: () => boolean): boolean {
  raiseWhile(model, () => !isEnough());
  moveThreshold(model, MOST / 2 ** HALVINGS);
  return isEnough();
}

/** Raises the threshold to the highest, below `MOST`, of which something is true. */
function raiseWhile(model: tf.LayersModel, isTrue: () => boolean): void {
  let by = MOST;
  for (let i = 0; i < HALVINGS; i++) {
    by /= 2;
    moveThreshold(model, by);
    if (!isTrue()) moveThreshold(model, -by);
  }
}

function moveThreshold(model: tf.LayersModel, by: number): void {
  const bias = namedWeights(model).find(({ name }) => name === 'arbitrator/dense2/bias')?.variable;
  if (bias === undefined) throw new Error('Cannot move the threshold: the model has no arbitrator');
  tf.tidy(() => bias.assign(tf.sub(bias, by)));
}

/**
 * Raises the arbitrator's threshold as far as validation streams are recognised as well as before, in frames
 * and in words, but for `TOLERANCE`.
 */
export function calibrateArbitrator(model: tf.LayersModel, set: FrameSet): void {
  const arrays = toStreamArrays(model, set, { loads: [LOAD] });
  const measure = (): Quality => qualityOf(runStreams(model, arrays).probabilities, set);
  try {
    const before = measure();
    raiseWhile(model, () => isAsGood(measure(), before));
  } finally {
    tf.dispose(Object.values(arrays).flat());
  }
}

/** What is wrong with frames, as a share, and with words. */
interface Quality {
  readonly frames: number;
  readonly edits: number;
  readonly spoken: number;
}

function qualityOf(probabilities: Float32Array, set: FrameSet): Quality {
  const { edits } = chooseThreshold(probabilities, set);
  return { frames: 1 - rightShare(probabilities, set.labels), edits, spoken: set.spoken.flat().length };
}

const isAsGood = (now: Quality, before: Quality): boolean =>
  now.frames <= before.frames + TOLERANCE.frames &&
  now.edits <= before.edits + Math.max(1, TOLERANCE.words * before.spoken);
