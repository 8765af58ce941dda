/** What one release of the keyword spotter adds to everything before it. */
export interface SpeechStage {
  readonly words: readonly string[];
  /** Accents by the names espeak-ng has for them; `en` is British. */
  readonly accents: readonly string[];
}

/** The base model's vocabulary and accents, then what the update adds. */
export const STAGES: readonly SpeechStage[] = [
  {
    words: [
      ...['yes', 'no', 'up', 'down', 'left', 'right', 'on', 'off', 'stop', 'go'],
      ...['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'],
      ...['forward', 'backward', 'follow', 'learn', 'happy', 'house', 'open', 'close', 'light', 'music'],
    ],
    accents: ['en-us', 'en', 'en-gb-scotland'],
  },
  {
    words: ['doorbell', 'playlist', 'podcast', 'thermostat', 'vacuum'],
    accents: ['en-029'],
  },
];

/** The same base model and update, and four updates more, three words and an accent each. */
export const SIX_STAGES: readonly SpeechStage[] = [
  ...STAGES,
  { words: ['camera', 'heating', 'window'], accents: ['en-us-nyc'] },
  { words: ['brighter', 'message', 'shuffle'], accents: ['en-gb-x-gbclan'] },
  { words: ['balcony', 'kettle', 'reminder'], accents: ['en-gb-x-rp'] },
  { words: ['calendar', 'garage', 'printer'], accents: ['en-gb-x-gbcwmd'] },
];

/*
 * Variants of espeak-ng, a stand-in for people. Left out are whispers, robots and echoes; breathy voices,
 * whose noise espeak-ng seeds from the clock; and of variants that sound all but alike (mean distance of
 * their log-mel features below 0.42) all but one, so that no test voice has a twin in training.
 */

/** Voices heard in training. */
export const TRAINING_VOICES: readonly string[] = [
  ...['Alex', 'Andy', 'Annie', 'AnxiousAndy', 'Diogo', 'Gene', 'Jacky', 'Lee', 'Mario', 'Michael'],
  ...['Mike', 'Nguyen', 'anika', 'antonio', 'aunty', 'david', 'ed', 'f1', 'f4', 'grandma'],
  ...['grandpa', 'ian', 'iven2', 'iven3', 'john', 'kaukovalta', 'klatt', 'klatt4', 'm1', 'm3'],
  ...['m4', 'm5', 'm8', 'mike2', 'pablo', 'paul', 'pedro', 'rob', 'travis', 'zac'],
];

/** Voices heard in tests alone. */
export const TEST_VOICES: readonly string[] = [
  ...['Andrea', 'Denis', 'Storm', 'adam', 'belinda', 'boris', 'linda', 'm2', 'marcelo', 'norbert'],
  ...['quincy', 'shelby', 'steph'],
];

/**
 * Share of the combinations of word, accent and training voice that are spoken; of the test voices all are.
 */
export const TRAINING_SHARE = 0.65;

/** Speeds at which the training clips are played, times the natural one. */
export const PLAYBACK_SPEEDS: readonly number[] = [0.88, 0.94, 1, 1.06, 1.12];
