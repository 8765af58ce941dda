import { createRandom, type Random, uniform } from '../common/random.js';
import { SAMPLE_RATE } from '../keyword-spotting/clip.js';
import type { SplitName } from './vocabulary.js';
import type { SpokenWord } from './words.js';

/** Seconds of a stream. */
export const STREAM_SECONDS = 8;

/** A word in a stream. */
export interface Placed {
  readonly word: string;
  /** Samples from the beginning of the stream. */
  readonly start: number;
  readonly end: number;
}

/** Continuous sound with words, pauses, noise, and bangs that are no words. */
export interface Stream {
  /** At 16 kHz. */
  readonly samples: Float32Array;
  readonly words: readonly Placed[];
}

/** Seconds between two words: four fifths of a stream are without speech, but in training. */
const PAUSE = { least: 0.15, most: { train: 0.7, validation: 4, test: 4 } };

/** Streams in ten whose noise is loud. */
const SIGNAL_TO_NOISE = { least: 8, most: 35 };

/** Bangs, hums and clicks a stream, on average. */
const DISTURBANCES = 2;

/** Makes streams of the words of one split; each word is used about equally often. */
export function makeStreams(
  words: readonly SpokenWord[],
  {
    count,
    seed,
    split,
    stage,
  }: { readonly count: number; readonly seed: number; readonly split: SplitName; readonly stage: number },
): Stream[] {
  return Array.from({ length: count }, (_, i) =>
    makeStream(words, { random: createRandom(seed, `${split}/${stage}/${i}`), longest: PAUSE.most[split] }),
  );
}

function makeStream(
  words: readonly SpokenWord[],
  { random, longest }: { random: Random; longest: number },
): Stream {
  const samples = new Float32Array(STREAM_SECONDS * SAMPLE_RATE);
  const placed: Placed[] = [];
  const loudness = uniform(random, 0.2, 0.8);
  let at = Math.round(uniform(random, 0.3, longest) * SAMPLE_RATE);
  for (;;) {
    const spoken = words[Math.floor(random() * words.length)]!;
    const end = at + spoken.samples.length;
    // The last word is over half a second before the stream is.
    if (end > samples.length - SAMPLE_RATE / 2) break;
    addAt(samples, spoken.samples, { at, gain: loudness * uniform(random, 0.6, 1) });
    placed.push({ word: spoken.word, start: at, end });
    at = end + Math.round(uniform(random, PAUSE.least, longest) * SAMPLE_RATE);
  }
  addNoise(samples, { loudness, random });
  for (let i = 0; i < 2 * DISTURBANCES; i++) if (random() < 0.5) addDisturbance(samples, random);
  return { samples, words: placed };
}

function addAt(
  samples: Float32Array,
  sound: Float32Array,
  { at, gain }: { readonly at: number; readonly gain: number },
): void {
  for (let i = 0; i < sound.length; i++) samples[at + i]! += gain * sound[i]!;
}

/** Adds noise whose power falls with frequency, at a ratio to speech that is drawn. */
function addNoise(
  samples: Float32Array,
  { loudness, random }: { readonly loudness: number; readonly random: Random },
): void {
  const decibels = uniform(random, SIGNAL_TO_NOISE.least, SIGNAL_TO_NOISE.most);
  const colour = uniform(random, 0.5, 0.97);
  // About the root mean square of speech whose peak is 1.
  const amplitude = 0.2 * loudness * 10 ** (-decibels / 20);
  const gain = amplitude * Math.sqrt(3 * (1 - colour ** 2));
  let low = 0;
  for (let i = 0; i < samples.length; i++) {
    low = colour * low + (2 * random() - 1);
    samples[i]! += gain * low;
  }
}

/** Adds a bang, a hum or clicks: loud, and no word. */
function addDisturbance(samples: Float32Array, random: Random): void {
  const length = Math.round(uniform(random, 0.1, 0.7) * SAMPLE_RATE);
  const at = Math.floor(random() * (samples.length - length));
  const gain = uniform(random, 0.05, 0.5);
  const kind = Math.floor(random() * 3);
  const hertz = uniform(random, 80, 1_200);
  const gap = Math.round(uniform(random, 0.04, 0.15) * SAMPLE_RATE);
  for (let i = 0; i < length; i++) {
    const fade = Math.exp((-4 * i) / length);
    const hum = Math.sin((2 * Math.PI * hertz * i) / SAMPLE_RATE);
    const click = Math.exp(-(i % gap) / 40) * (2 * random() - 1);
    samples[at + i]! += gain * fade * [2 * random() - 1, hum, click][kind]!;
  }
}
