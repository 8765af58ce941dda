import * as tf from '@tensorflow/tfjs';
import { type FrameSet, STREAM_FRAMES } from './data.js';
import { addScores, createDecoder, type Report, type Score, scoreStream } from './decode.js';
import { type StreamArrays, toStreamArrays } from './training.js';

/** What a model makes of streams, frame by frame. */
export interface StreamOutputs {
  /** Streams, frames, classes. */
  readonly probabilities: Float32Array;
  /** Whether the full branch ran, 1 or 0: streams, frames; empty for a model of one branch. */
  readonly full: Float32Array;
  /** Frames that waited: streams, frames. */
  readonly waiting: Float32Array;
}

/** Streams that a model runs at once. */
const BATCH = 40;

export function runStreams(model: tf.LayersModel, { xs }: StreamArrays): StreamOutputs {
  const streams = xs[0]?.shape[0] as number;
  const pieces: [Float32Array, Float32Array][] = [];
  for (let start = 0; start < streams; start += BATCH) {
    const outputs = tf.tidy(() => {
      const some = xs.map((x) => tf.slice(x, start, Math.min(BATCH, streams - start)));
      const [classes, route] = [model.predictOnBatch(some)].flat() as [tf.Tensor, tf.Tensor?];
      return [classes.dataSync(), route?.dataSync() ?? new Float32Array()];
    });
    pieces.push(outputs as [Float32Array, Float32Array]);
  }
  const probabilities = joined(pieces.map(([classes]) => classes));
  const route = joined(pieces.map(([, each]) => each));
  const full = route.filter((_, i) => i % 2 === 0);
  const waiting = route.filter((_, i) => i % 2 === 1);
  return { probabilities, full, waiting };
}

/** Runs a model on streams, with the options of `toStreamArrays`. */
export function hearStreams(
  model: tf.LayersModel,
  set: FrameSet,
  options: Parameters<typeof toStreamArrays>[2],
): StreamOutputs {
  const arrays = toStreamArrays(model, set, options);
  try {
    return runStreams(model, arrays);
  } finally {
    tf.dispose(Object.values(arrays).flat());
  }
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** @returns the share of the frames whose most probable class is right */
export function rightShare(probabilities: Float32Array, labels: Int32Array): number {
  const classes = probabilities.length / labels.length;
  const right = labels.filter((label, i) => {
    const own = probabilities.subarray(i * classes, (i + 1) * classes);
    return own.indexOf(Math.max(...own)) === label;
  });
  return right.length / labels.length;
}

/** Scores what a model heard with a threshold of the decoder. */
export function scoreStreams(probabilities: Float32Array, set: FrameSet, threshold: number): Score {
  const reports = reportsOf(probabilities, set, threshold);
  return addScores(set.spoken.map((spoken, stream) => scoreStream(reports[stream] ?? [], spoken)));
}

/** @returns the words that a decoder reports in each stream */
export function reportsOf(probabilities: Float32Array, set: FrameSet, threshold: number): Report[][] {
  const classes = probabilities.length / set.labels.length;
  return set.spoken.map((_, stream) => {
    const decoder = createDecoder(classes, threshold);
    const reports: Report[] = [];
    for (let frame = 0; frame < STREAM_FRAMES; frame++) {
      const at = (stream * STREAM_FRAMES + frame) * classes;
      const label = decoder.push(probabilities.subarray(at, at + classes));
      if (label !== undefined) reports.push({ label, frame });
    }
    return reports;
  });
}

const THRESHOLDS = Array.from({ length: 15 }, (_, i) => 0.2 + 0.05 * i);

/** A threshold of the decoder. */
export interface ChosenThreshold {
  readonly threshold: number;
  /** Words to insert, leave out and replace: the mean of this threshold and of those before and after it. */
  readonly edits: number;
}

/** @returns the threshold with the fewest edits on a set; one alone would have few by chance */
export function chooseThreshold(probabilities: Float32Array, set: FrameSet): ChosenThreshold {
  const edits = THRESHOLDS.map((threshold) => scoreStreams(probabilities, set, threshold).edits);
  const means = edits.map((own, i) => ((edits[i - 1] ?? own) + own + (edits[i + 1] ?? own)) / 3);
  const least = Math.min(...means);
  return { threshold: THRESHOLDS[means.indexOf(least)] as number, edits: least };
}

/** Thresholds by which hits and false alarms are traded. */
const TRADED = Array.from({ length: 70 }, (_, i) => 0.1 + 0.0125 * i);

/**
 * @param falseAlarms on the whole set
 * @returns the largest share of the words that is heard with no more false alarms, so that recognisers are
 *   compared whose thresholds differ; NaN if all thresholds have more
 *
 * Source: G. Chen, C. Parada, G. Heigold, 2014, who compare false rejects at equal false alarms.
 */
export function hitsAtFalseAlarms(probabilities: Float32Array, set: FrameSet, falseAlarms: number): number {
  const scores = TRADED.map((threshold) => scoreStreams(probabilities, set, threshold));
  const few = scores.filter((score) => score.falseAlarms <= falseAlarms);
  return few.length === 0 ? Number.NaN : Math.max(...few.map(({ hits, spoken }) => hits / spoken));
}
