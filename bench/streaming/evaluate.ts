import type * as tf from '@tensorflow/tfjs';
import { type FrameSet, STREAM_FRAMES, type StageSets } from '../../examples/streaming-keywords/data.js';
import { FRAME_SECONDS } from '../../examples/streaming-keywords/frames.js';
import {
  chooseThreshold,
  hearStreams,
  hitsAtFalseAlarms,
  rightShare,
  scoreStreams,
} from '../../examples/streaming-keywords/measure.js';
import {
  DENSE,
  type FrameCosts,
  frameCosts,
  type StreamNetwork,
} from '../../examples/streaming-keywords/model.js';
import { CLASSES } from '../../examples/streaming-keywords/vocabulary.js';
import { percentilesOf, simulateStream } from '../../src/report/stream-simulator.js';

/**
 * Times of the dense path in frames: of a fast thread, of one that is too slow for it, and of one that is too
 * slow for the full branch, too.
 */
export const LOADS = [0.5, 2, 6] as const;

/** False alarms an hour at which hits are compared. */
export const FALSE_ALARMS = 60;

/** How a recogniser does on a thread. */
export interface ThreadResult {
  readonly load: number;
  /** FLOP/s of the thread. */
  readonly speed: number;
  /** Frames that the full branch ran. */
  readonly fullShare: number;
  /** Mean floating-point operations of a frame. */
  readonly flops: number;
  /** Share of the frames whose most probable class is right. */
  readonly frames: number;
  readonly spoken: number;
  readonly hits: number;
  /** Share of the words that is heard with no more than `FALSE_ALARMS` an hour. */
  readonly hitsAtFalseAlarms: number;
  readonly falseAlarms: number;
  readonly edits: number;
  /** Hours of sound. */
  readonly hours: number;
  /** Seconds that a frame waits, then from its arrival to its result: shares 0.5, 0.95, 0.99. */
  readonly waits: readonly number[];
  readonly latencies: readonly number[];
  /** Seconds that wait at the end of a stream, on average. */
  readonly backlog: number;
}

const SHARES = [0.5, 0.95, 0.99];

/** Measures a recogniser on all threads, with the decoder's threshold that is best on validation data. */
export function evaluateStreams(
  model: tf.LayersModel,
  network: StreamNetwork,
  { sets, limit, loads = LOADS }: { sets: StageSets; limit: number; loads?: readonly number[] | undefined },
): ThreadResult[] {
  const costs = frameCosts(network);
  const run = (set: FrameSet, load: number) =>
    hearStreams(model, set, { loads: [ownLoad(network, load)], limit });
  const heard = run(sets.validation, loads[0] as number);
  const { threshold } = chooseThreshold(heard.probabilities, sets.validation);
  const isRouted = model.outputs.length > 1;
  const hours = (sets.test.streams * STREAM_FRAMES * FRAME_SECONDS) / 3600;
  const measure = (load: number) => {
    const { probabilities, full } = run(sets.test, load);
    const accuracy = {
      ...scoreStreams(probabilities, sets.test, threshold),
      frames: rightShare(probabilities, sets.test.labels),
      hitsAtFalseAlarms: hitsAtFalseAlarms(probabilities, sets.test, FALSE_ALARMS * hours),
      hours,
    };
    return { accuracy, flops: costsOfFrames(costs, sets.test.labels.length, full) };
  };
  const once = isRouted ? undefined : measure(loads[0] as number);
  return loads.map((load) => {
    const { accuracy, flops } = once ?? measure(load);
    return { load, ...accuracy, ...timeStreams(flops, load) };
  });
}

/** @returns seconds that a frame of streams waits on a thread: shares 0.5, 0.95, 0.99 */
export function waitsOf(
  model: tf.LayersModel,
  network: StreamNetwork,
  { set, load }: { readonly set: FrameSet; readonly load: number },
): readonly number[] {
  const { full } = hearStreams(model, set, { loads: [ownLoad(network, load)], limit: 0 });
  return timeStreams(costsOfFrames(frameCosts(network), set.labels.length, full), load).waits;
}

/** @returns the time of a network's own full path in frames, on a thread of a load of the dense path */
export function ownLoad(network: StreamNetwork, load: number): number {
  const { full, arbitrator, words } = frameCosts(network);
  return (load * 2 * (full + arbitrator + words)) / denseFlops();
}

/** FLOPs of the dense recogniser in a frame: what a thread does in the time of a frame at a load of 1. */
export function denseFlops(): number {
  const { full, words } = frameCosts({ branches: { full: DENSE }, classes: CLASSES.length, seed: 1 });
  return 2 * (full + words);
}

/** @returns FLOPs of each frame */
function costsOfFrames(costs: FrameCosts, frames: number, full: Float32Array): Float64Array {
  const always = costs.words + costs.arbitrator;
  return Float64Array.from({ length: frames }, (_, i) => {
    const isFull = full.length === 0 || full[i] === 1;
    return 2 * (always + (isFull ? costs.full : costs.fast));
  });
}

function timeStreams(flops: Float64Array, load: number) {
  const speed = denseFlops() / (load * FRAME_SECONDS);
  const runs = Array.from({ length: flops.length / STREAM_FRAMES }, (_, i) =>
    simulateStream(flops.subarray(i * STREAM_FRAMES, (i + 1) * STREAM_FRAMES), {
      frameSeconds: FRAME_SECONDS,
      flopsPerSecond: speed,
    }),
  );
  const most = flops.reduce((a, b) => Math.max(a, b));
  const fullShare = flops.filter((each) => each === most).length / flops.length;
  return {
    speed,
    fullShare,
    flops: flops.reduce((sum, each) => sum + each, 0) / flops.length,
    waits: percentilesOf(
      runs.flatMap(({ waits }) => [...waits]),
      SHARES,
    ),
    latencies: percentilesOf(
      runs.flatMap(({ latencies }) => [...latencies]),
      SHARES,
    ),
    backlog: runs.reduce((sum, { backlog }) => sum + backlog, 0) / runs.length,
  };
}
