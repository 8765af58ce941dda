import { type FrameSet, STREAM_FRAMES } from '../../../examples/streaming-keywords/data.js';
import { FRAME_FEATURES, WINDOW_FRAMES } from '../../../examples/streaming-keywords/frames.js';
import { createRandom } from '../../../src/train/random.js';

/** @returns streams of noise with a word in each, as speaking takes minutes */
export function noisyStreams(streams: number, seed: number): FrameSet {
  const random = createRandom(seed);
  const labels = new Int32Array(streams * STREAM_FRAMES);
  for (let stream = 0; stream < streams; stream++) labels.fill(1 + stream, at(stream, 50), at(stream, 57));
  return {
    streams,
    frames: Float32Array.from(
      { length: streams * (STREAM_FRAMES + WINDOW_FRAMES - 1) * FRAME_FEATURES },
      () => 2 * random() - 1,
    ),
    labels,
    spoken: Array.from({ length: streams }, (_, stream) => [{ label: 1 + stream, first: 40, last: 51 }]),
    energies: new Float32Array(labels.length),
  };
}

function at(stream: number, frame: number): number {
  return stream * STREAM_FRAMES + frame;
}
