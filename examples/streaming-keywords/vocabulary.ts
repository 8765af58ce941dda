import { TEST_VOICES, TRAINING_VOICES } from '../keyword-spotting/vocabulary.js';

/** What a release of the recogniser knows. */
export interface StreamStage {
  /** Words that it reports; each has a class of the output, after that of no word. */
  readonly keywords: readonly string[];
  /** Accents by the names espeak-ng has for them. */
  readonly accents: readonly string[];
}

/** The base model's words and accents, then those that the update adds. */
export const STREAM_STAGES: readonly StreamStage[] = [
  {
    keywords: ['yes', 'no', 'up', 'down', 'left', 'right', 'stop', 'go', 'open', 'close'],
    accents: ['en-us', 'en'],
  },
  { keywords: ['doorbell', 'playlist', 'vacuum'], accents: ['en-029'] },
];

/** Words that are spoken and must not be reported. */
export const OTHER_WORDS: readonly string[] = [
  ...['zero', 'three', 'five', 'follow', 'learn', 'happy', 'house', 'music'],
];

/** Names of the classes of the output. */
export const CLASSES: readonly string[] = ['no word', ...STREAM_STAGES.flatMap(({ keywords }) => keywords)];

/** Voices by what is done with their sound. */
export const STREAM_VOICES = {
  train: TRAINING_VOICES.slice(0, 32),
  validation: TRAINING_VOICES.slice(32),
  test: TEST_VOICES,
} as const;

export type SplitName = keyof typeof STREAM_VOICES;
