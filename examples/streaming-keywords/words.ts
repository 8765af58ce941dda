import { createRandom, type Random, uniform } from '../common/random.js';
import { createResampler, trimSilence } from '../keyword-spotting/clip.js';
import { createSpeaker } from '../keyword-spotting/speaker.js';
import { PLAYBACK_SPEEDS } from '../keyword-spotting/vocabulary.js';
import { OTHER_WORDS, type SplitName, STREAM_STAGES, STREAM_VOICES } from './vocabulary.js';

/** The sound of a word, trimmed, at 16 kHz, its peak 1. */
export interface SpokenWord {
  readonly word: string;
  /** First stage that knows both the word and its accent; of other words, the accent. */
  readonly stage: number;
  readonly samples: Float32Array;
}

/** Share of the combinations of word, accent and voice that are spoken. */
const SHARES: Readonly<Record<SplitName, number>> = { train: 1, validation: 1, test: 1 };

/** Speaks the words of a split's voices, one voice after another. */
export async function speakWords(split: SplitName, seed: number): Promise<SpokenWord[]> {
  const spoken: SpokenWord[] = [];
  const resamplers = new Map<number, ReturnType<typeof createResampler>>();
  for (const voice of STREAM_VOICES[split]) {
    const speak = await createSpeaker();
    for (const { word, accent, stage } of listWords()) {
      const random = createRandom(seed, `word/${split}/${voice}/${accent}/${word}`);
      if (random() >= SHARES[split]) continue;
      const rate = Math.round(uniform(random, 130, 200));
      const pitch = Math.round(uniform(random, 30, 70));
      const { samples, sampleRate } = speak({ word, accent, voice, rate, pitch });
      const source = split === 'train' ? playbackRate(sampleRate, random) : sampleRate;
      const resample = resamplers.get(source) ?? createResampler(source);
      resamplers.set(source, resample);
      spoken.push({ word, stage, samples: withPeakOfOne(trimSilence(resample(samples))) });
    }
  }
  return spoken;
}

/** Rounded, because a resampler for a rate without common factors needs thousands of filters. */
function playbackRate(sampleRate: number, random: Random): number {
  const speed = PLAYBACK_SPEEDS[Math.floor(random() * PLAYBACK_SPEEDS.length)]!;
  return Math.round((sampleRate * speed) / 50) * 50;
}

function listWords(): { word: string; accent: string; stage: number }[] {
  const stages = STREAM_STAGES.map(({ keywords, accents }, stage) => ({ keywords, accents, stage }));
  const words = [
    ...OTHER_WORDS.map((word) => ({ word, stage: 0 })),
    ...stages.flatMap(({ keywords, stage }) => keywords.map((word) => ({ word, stage }))),
  ];
  return stages.flatMap(({ accents, stage }) =>
    accents.flatMap((accent) =>
      words.map((each) => ({ word: each.word, accent, stage: Math.max(each.stage, stage) })),
    ),
  );
}

function withPeakOfOne(samples: Float32Array): Float32Array {
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return samples.map((sample) => sample / peak);
}
