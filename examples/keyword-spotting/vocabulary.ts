/** What one release of the keyword spotter adds to everything before it. */
export interface SpeechStage {
  readonly words: readonly string[];
  /** Accents by the language names of espeak-ng. */
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
    accents: ['en-us', 'en-gb', 'en-gb-scotland'],
  },
  {
    words: ['doorbell', 'playlist', 'podcast', 'thermostat', 'vacuum'],
    accents: ['en-029'],
  },
];
