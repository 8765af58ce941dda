import { createFramer, FRAME_FEATURES, FRAME_SAMPLES, WINDOW_FRAMES } from './frames.js';
import { makeStreams, type Placed, STREAM_SECONDS, type Stream } from './streams.js';
import { CLASSES, type SplitName, STREAM_STAGES, STREAM_VOICES } from './vocabulary.js';
import { type SpokenWord, speakWords } from './words.js';

/** Streams of a split. */
const COUNTS: Readonly<Record<SplitName, number>> = { train: 960, validation: 480, test: 480 };

/** Frames of a stream. */
export const STREAM_FRAMES = Math.floor((STREAM_SECONDS * 16_000) / FRAME_SAMPLES);

/** A keyword that was spoken. */
export interface Spoken {
  /** Its class. */
  readonly label: number;
  /** First and last frame in which it is heard. */
  readonly first: number;
  readonly last: number;
}

/** Streams as frames. */
export interface FrameSet {
  readonly streams: number;
  /**
   * What is new in each frame, after that of the silence before: streams, STREAM_FRAMES + WINDOW_FRAMES - 1,
   * FRAME_FEATURES.
   */
  readonly frames: Float32Array;
  /** Class of each frame: streams, frames. */
  readonly labels: Int32Array;
  /** The keywords of each stream, in order. */
  readonly spoken: readonly (readonly Spoken[])[];
  /** Loudness of each frame above the noise, in nats: streams, frames. */
  readonly energies: Float32Array;
}

export type StageSets = Readonly<Record<SplitName, FrameSet>>;

/** Frames in which a word is to be reported, from one before its end on. */
const REPORTED = { before: 1, after: 6 };

/** Loads the data of the base model and of the update; equal seeds give equal data. */
export async function loadStreams(seed: number, share = 1): Promise<StageSets[]> {
  const stages = STREAM_STAGES.map(() => ({}) as Record<SplitName, FrameSet>);
  for (const split of Object.keys(STREAM_VOICES) as SplitName[]) {
    const words = await speakWords(split, seed);
    stages.forEach((sets, stage) => {
      const streams = streamsOf(words, { stage, split, seed, count: Math.ceil(COUNTS[split] * share) });
      sets[split] = toFrames(streams);
    });
  }
  return stages;
}

function streamsOf(
  words: readonly SpokenWord[],
  { stage, split, seed, count }: { stage: number; split: SplitName; seed: number; count: number },
): Stream[] {
  const known = words.filter((word) => word.stage <= stage);
  return makeStreams(known, { count, seed, split, stage });
}

function toFrames(streams: readonly Stream[]): FrameSet {
  const size = streams.length * STREAM_FRAMES;
  const row = (STREAM_FRAMES + WINDOW_FRAMES - 1) * FRAME_FEATURES;
  const frames = new Float32Array(streams.length * row);
  const labels = new Int32Array(size);
  const energies = new Float32Array(size);
  streams.forEach(({ samples, words }, stream) => {
    const from = stream * STREAM_FRAMES;
    const made = createFramer().push(samples).slice(0, STREAM_FRAMES);
    // A window overlaps those before it: each writes what is new, the first also the silence before it.
    made.forEach((window, frame) => {
      frames.set(window, stream * row + frame * FRAME_FEATURES);
    });
    for (const { label, last } of keywordsOf(words)) {
      labels.fill(
        label,
        from + last - REPORTED.before,
        from + Math.min(STREAM_FRAMES, last + REPORTED.after),
      );
    }
    energies.set(energiesOf(made), from);
  });
  const spoken = streams.map(({ words }) => keywordsOf(words));
  return { streams: streams.length, frames, labels, spoken, energies };
}

/** @returns the words of a stream that are to be reported, and the frames in which they are heard */
export function keywordsOf(words: readonly Placed[]): Spoken[] {
  return words
    .filter(({ word }) => CLASSES.includes(word))
    .map(({ word, start, end }) => ({
      label: CLASSES.indexOf(word),
      first: Math.floor(start / FRAME_SAMPLES),
      last: Math.floor(end / FRAME_SAMPLES),
    }));
}

/** Frames over which the noise is the least of the energies. */
const NOISE_FRAMES = 50;

/** Frames after a loud one that count as loud: words fade. */
const HANGOVER = 5;

/** @returns the mean feature of each frame above that of the noise; after a loud frame it falls late */
export function energiesOf(windows: readonly Float32Array[]): Float32Array {
  const means = windows.map((window) => {
    return window.subarray(-FRAME_FEATURES).reduce((sum, value) => sum + value, 0) / FRAME_FEATURES;
  });
  const above = means.map((mean, i) => mean - Math.min(...means.slice(Math.max(0, i - NOISE_FRAMES), i + 1)));
  return Float32Array.from(above, (_, i) => Math.max(...above.slice(Math.max(0, i - HANGOVER), i + 1)));
}
