import { type Split, type StagedExamples, splitStages } from '../common/staged-examples.js';
import { measureNormalisation, type Normalisation, normaliseFeatures } from './features.js';
import { type RecordingsOptions, readRecordings } from './recordings.js';
import { type SpokenClipsOptions, speakClips } from './spoken-clips.js';

/** Synthetic speech or, with `recordings`, a folder of recordings. */
export interface KeywordDataOptions extends Omit<SpokenClipsOptions, 'seed'> {
  /** Fixes everything that is random, default 1. */
  readonly seed?: number;
  /** Human recordings instead of synthetic speech. */
  readonly recordings?: Pick<RecordingsOptions, 'folder' | 'speakers' | 'validationTakes'>;
}

/** Features and labels, ready for training. */
export interface KeywordData {
  /** All labels of all stages: the model has an output for each from the start. */
  readonly labels: readonly string[];
  /** Measured on the base model's training data; a device needs them to prepare its sound. */
  readonly normalisation: Normalisation;
  /** Every stage: the base model, then each update with everything known until then. */
  readonly stages: readonly Split[];
  /** What the base model is trained and tested on: the first stage. */
  readonly base: Split;
  /** Everything so far and what the first update adds: the second stage. */
  readonly update: Split;
}

/**
 * Load the data of a base model and its updates.
 *
 * @param options source, seed, threads, progress, signal
 * @returns normalised features with labels; equal options give equal data
 * @throws RangeError for fewer than two stages; what the source throws
 */
export async function loadKeywordData(options: KeywordDataOptions = {}): Promise<KeywordData> {
  const seed = options.seed ?? 1;
  const clips = await loadClips(options, seed);
  const stages = splitStages(clips, seed);
  const [base, update] = stages;
  if (!base || !update) {
    throw new RangeError(
      `Cannot load keyword data: expected a base and an update, got ${stages.length} stages`,
    );
  }
  const normalisation = measureNormalisation(base.train.features);
  const { train, validation, test } = stages.at(-1)!;
  for (const { features } of [train, validation, test]) normaliseFeatures(features, normalisation);
  return { labels: clips.labels, normalisation, stages, base, update };
}

function loadClips(options: KeywordDataOptions, seed: number): Promise<StagedExamples> {
  const { recordings, onProgress, signal } = options;
  if (!recordings) return speakClips({ ...options, seed });
  return readRecordings({
    ...recordings,
    seed,
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
}
