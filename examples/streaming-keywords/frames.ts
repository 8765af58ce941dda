import { SAMPLE_RATE } from '../keyword-spotting/clip.js';
import { BANDS, createFrameExtractor, HOP_SAMPLES, WINDOW_SAMPLES } from '../keyword-spotting/features.js';

/** Feature frames of 20 ms that make a frame of the stream. */
const HOPS = 2;

/** Samples from one frame to the next. */
export const FRAME_SAMPLES = HOPS * HOP_SAMPLES;

/** Seconds from one frame to the next: 0.04. */
export const FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE;

/** Features of a frame. */
export const FRAME_FEATURES = HOPS * BANDS;

/** Frames that a branch sees at once: 240 ms. */
export const WINDOW_FRAMES = 6;

/** Features that a branch sees at once. */
export const WINDOW_FEATURES = WINDOW_FRAMES * FRAME_FEATURES;

/** Brings features to about mean 0 and deviation 1 on speech in noise. */
const SCALE = { mean: -3, deviation: 2.8 };

/** Turns sound that arrives bit by bit into windows of features. */
export interface Framer {
  /** @returns the windows that the samples complete, a new array each */
  push(samples: Float32Array): Float32Array[];
}

/** Starts a stream; before it there was silence. */
export function createFramer(): Framer {
  const extract = createFrameExtractor();
  const window = new Float32Array(WINDOW_FEATURES).fill(scaled(Math.log(1e-6)));
  const held = new Float32Array(FRAME_SAMPLES + WINDOW_SAMPLES - HOP_SAMPLES);
  let count = WINDOW_SAMPLES - HOP_SAMPLES;
  const shift = (): void => {
    window.copyWithin(0, FRAME_FEATURES);
    for (let hop = 0; hop < HOPS; hop++) {
      const start = WINDOW_FEATURES - FRAME_FEATURES + hop * BANDS;
      const features = window.subarray(start, start + BANDS);
      extract(held, hop * HOP_SAMPLES, features);
      for (let i = 0; i < BANDS; i++) features[i] = scaled(features[i]!);
    }
    held.copyWithin(0, FRAME_SAMPLES);
    count = WINDOW_SAMPLES - HOP_SAMPLES;
  };
  return {
    push(samples) {
      const windows: Float32Array[] = [];
      for (let read = 0; read < samples.length; ) {
        const part = samples.subarray(read, read + held.length - count);
        held.set(part, count);
        read += part.length;
        count += part.length;
        if (count < held.length) break;
        shift();
        windows.push(window.slice());
      }
      return windows;
    },
  };
}

const scaled = (feature: number): number => (feature - SCALE.mean) / SCALE.deviation;
