import { SAMPLE_RATE } from '../keyword-spotting/clip.js';
import { keywordsOf, type Spoken, STREAM_FRAMES } from './data.js';
import { FRAME_SAMPLES } from './frames.js';
import { makeStreams } from './streams.js';
import { STREAM_STAGES } from './vocabulary.js';
import { speakWords } from './words.js';

/** Continuous sound, and what is spoken in it. */
export interface TestSound {
  /** At 16 kHz. */
  readonly samples: Float32Array;
  readonly spoken: readonly Spoken[];
}

/**
 * Makes sound of voices that no training has heard, with the words and the accent of the update.
 *
 * @param seed equal seeds give equal sound
 * @param streams pieces of 8 seconds, one after another
 */
export async function makeTestSound(seed: number, streams: number): Promise<TestSound> {
  const words = await speakWords('test', seed);
  const made = makeStreams(words, { count: streams, seed, split: 'test', stage: STREAM_STAGES.length - 1 });
  const length = STREAM_FRAMES * FRAME_SAMPLES;
  const samples = new Float32Array(streams * length);
  const spoken = made.flatMap((stream, i) => {
    samples.set(stream.samples.subarray(0, length), i * length);
    return keywordsOf(stream.words).map((word) => later(word, i * STREAM_FRAMES));
  });
  return { samples, spoken };
}

/** @returns the sound twice, so that the same words are heard before and after an update */
export function twice({ samples, spoken }: TestSound): TestSound {
  const both = new Float32Array(2 * samples.length);
  both.set(samples);
  both.set(samples, samples.length);
  const frames = samples.length / FRAME_SAMPLES;
  return { samples: both, spoken: [...spoken, ...spoken.map((word) => later(word, frames))] };
}

const later = ({ label, first, last }: Spoken, frames: number): Spoken => ({
  label,
  first: first + frames,
  last: last + frames,
});

const HEADER_BYTES = 44;

/** @returns a WAV file of one channel of 16 bits at 16 kHz; louder samples than 1 are cut off */
export function writeWav(samples: Float32Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const tag = (offset: number, text: string): void =>
    void new TextEncoder().encodeInto(text, bytes.subarray(offset));
  tag(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  tag(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, SAMPLE_RATE, true);
  view.setUint32(28, 2 * SAMPLE_RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  tag(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => {
    view.setInt16(HEADER_BYTES + 2 * i, Math.round(32_767 * Math.max(-1, Math.min(1, sample))), true);
  });
  return bytes;
}
