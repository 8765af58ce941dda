import type * as tf from '@tensorflow/tfjs';
import { type FrameSet, STREAM_FRAMES } from '../../examples/streaming-keywords/data.js';
import { FRAME_FEATURES, WINDOW_FEATURES, WINDOW_FRAMES } from '../../examples/streaming-keywords/frames.js';
import type { FrameCosts } from '../../examples/streaming-keywords/model.js';
import {
  createPlainEngine,
  createRecogniser,
  type Engine,
  type Recogniser,
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

/** A recogniser to time. */
export interface Timed {
  readonly model: tf.LayersModel;
  readonly costs: FrameCosts;
}

/**
 * Runs streams frame by frame, as a device does: only the branch that is chosen. Nothing waits. Each stream
 * goes through all recognisers before the next one, so that other work on the machine slows them alike.
 */
export function timeFrames(recognisers: readonly Timed[], set: FrameSet): FrameTimes[] {
  const started = recognisers.map(({ model, costs }) => {
    const tensors = createTensorEngine(model);
    const plain = new TimedEngine(createPlainEngine(weightsOf(model)));
    return { plain, wasm: new TimedEngine(tensors), costs, dispose: () => tensors.dispose() };
  });
  try {
    for (let stream = 0; stream < Math.min(set.streams, STREAMS); stream++) {
      const windows = windowsOf(set, stream);
      for (const { plain, wasm } of started) for (const engine of [plain, wasm]) engine.run(windows);
    }
    return started.map(({ plain, wasm, costs }) => ({
      plain: plain.milliseconds,
      wasm: wasm.milliseconds,
      flops: flopsOf(costs, plain.fullShare),
    }));
  } finally {
    for (const { dispose } of started) dispose();
  }
}

function weightsOf(model: tf.LayersModel): Map<string, Float32Array> {
  return new Map(
    namedWeights(model).map(({ name, variable }) => [name, variable.dataSync() as Float32Array]),
  );
}

/** @returns mean floating-point operations of a frame */
function flopsOf({ full, fast, words, arbitrator }: FrameCosts, fullShare: number): number {
  return 2 * (words + arbitrator + fullShare * full + (1 - fullShare) * fast);
}

/** An engine that takes the time of streams. */
class TimedEngine {
  readonly #recogniser: Recogniser;
  readonly #times: number[] = [];
  #full = 0;

  constructor(engine: Engine) {
    this.#recogniser = createRecogniser(engine, { classes: CLASSES.length, threshold: 0.5 });
  }

  run(windows: readonly Float32Array[]): void {
    const start = performance.now();
    for (const window of windows) if (this.#recogniser.push(window, 0).branch === 'full') this.#full += 1;
    this.#times.push((performance.now() - start) / STREAM_FRAMES);
  }

  /** Of a frame. */
  get milliseconds(): number {
    return median(this.#times.slice(WARM_UP));
  }

  get fullShare(): number {
    return this.#full / (this.#times.length * STREAM_FRAMES);
  }
}

function windowsOf({ frames }: FrameSet, stream: number): Float32Array[] {
  const row = (STREAM_FRAMES + WINDOW_FRAMES - 1) * FRAME_FEATURES;
  return Array.from({ length: STREAM_FRAMES }, (_, frame) => {
    const start = stream * row + frame * FRAME_FEATURES;
    return frames.slice(start, start + WINDOW_FEATURES);
  });
}
