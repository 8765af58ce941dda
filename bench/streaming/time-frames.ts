import type * as tf from '@tensorflow/tfjs';
import { type FrameSet, STREAM_FRAMES } from '../../examples/streaming-keywords/data.js';
import { FRAME_FEATURES, WINDOW_FEATURES, WINDOW_FRAMES } from '../../examples/streaming-keywords/frames.js';
import type { FrameCosts } from '../../examples/streaming-keywords/model.js';
import {
  createPlainEngine,
  createRecogniser,
  type Engine,
} from '../../examples/streaming-keywords/recogniser.js';
import { createTensorEngine } from '../../examples/streaming-keywords/tensor-engine.js';
import { CLASSES } from '../../examples/streaming-keywords/vocabulary.js';
import { namedWeights } from '../../src/tfjs/weights.js';
import { median } from '../common/median.js';

/** Milliseconds of a frame with each engine, medians over streams, and what these frames compute. */
export interface FrameTimes {
  readonly plain: number;
  readonly wasm: number;
  /** Mean floating-point operations of a frame. */
  readonly flops: number;
}

/** Streams that are run frame by frame with each engine, after some that warm up. */
const STREAMS = 12;
const WARM_UP = 3;

/** Runs streams frame by frame, as a device does: only the branch that is chosen. Nothing waits. */
export function timeFrames(model: tf.LayersModel, set: FrameSet, costs: FrameCosts): FrameTimes {
  const weights = new Map(
    namedWeights(model).map(({ name, variable }) => [name, variable.dataSync() as Float32Array]),
  );
  const tensors = createTensorEngine(model);
  try {
    const { milliseconds: plain, fullShare } = timeEngine(createPlainEngine(weights), set);
    const branch = fullShare * costs.full + (1 - fullShare) * costs.fast;
    const flops = 2 * (costs.words + costs.arbitrator + branch);
    return { plain, wasm: timeEngine(tensors, set).milliseconds, flops };
  } finally {
    tensors.dispose();
  }
}

function timeEngine(engine: Engine, set: FrameSet): { milliseconds: number; fullShare: number } {
  const recogniser = createRecogniser(engine, { classes: CLASSES.length, threshold: 0.5 });
  const times: number[] = [];
  let full = 0;
  for (let stream = 0; stream < Math.min(set.streams, STREAMS); stream++) {
    const windows = windowsOf(set, stream);
    const start = performance.now();
    for (const window of windows) if (recogniser.push(window, 0).branch === 'full') full += 1;
    times.push((performance.now() - start) / STREAM_FRAMES);
  }
  return { milliseconds: median(times.slice(WARM_UP)), fullShare: full / (times.length * STREAM_FRAMES) };
}

function windowsOf({ frames }: FrameSet, stream: number): Float32Array[] {
  const row = (STREAM_FRAMES + WINDOW_FRAMES - 1) * FRAME_FEATURES;
  return Array.from({ length: STREAM_FRAMES }, (_, frame) => {
    const start = stream * row + frame * FRAME_FEATURES;
    return frames.slice(start, start + WINDOW_FEATURES);
  });
}
