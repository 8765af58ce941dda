import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../common/source-error.js';
import type { ExampleFacts, StagedExamples } from '../common/staged-examples.js';
import { createResampler, drawPlacement, placeInClip, trimSilence } from './clip.js';
import { CLIP_FEATURES, CLIP_SHAPE, createFeatureExtractor } from './features.js';
import { readWav, type Sound, WavError } from './wav.js';

/** Takes below this number are the test split, as in the Free Spoken Digit Dataset. */
export const TEST_TAKES = 5;

/** Bytes a recording of one word may have: a minute of 16-bit stereo at 44.1 kHz is more than plenty. */
const RECORDING_BYTES_LIMIT = 10_584_044;

/**
 * Why recordings were refused: `bad-name` and `bad-sound` name a file to mend or remove, `missing-takes` a
 * speaker of whom the folder lacks training or test takes.
 */
export type RecordingErrorCode = 'bad-name' | 'bad-sound' | 'missing-takes';

/** A folder of recordings that cannot be used. */
export class RecordingError extends SourceError<RecordingErrorCode> {
  override readonly name = 'RecordingError';
}

/** What a recording's file name says: `{label}_{speaker}_{take}.wav`. */
export interface RecordingName {
  readonly label: string;
  readonly speaker: string;
  readonly take: number;
}

export interface RecordingsOptions {
  /** Folder of WAV files; files with other endings are left alone. */
  readonly folder: string;
  /** The speakers that each stage adds, the base model's first; recordings of others are left alone. */
  readonly speakers: readonly (readonly string[])[];
  /** Takes after the test takes that are kept from training, for choices to be made by; default 0. */
  readonly validationTakes?: number;
  /** Fixes each clip's place in its second and its loudness. */
  readonly seed: number;
  /** Called now and then with the clips read so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Files between two progress reports. */
const PROGRESS_STEP = 100;

/**
 * Read the name of a recording.
 *
 * @param file name without folder
 * @returns its parts
 * @throws RecordingError `bad-name`
 */
export function parseRecordingName(file: string): RecordingName {
  const match = /^([^_]+)_([^_]+)_(\d{1,6})\.wav$/i.exec(file);
  if (!match) {
    throw new RecordingError('bad-name', `Cannot use "${file}": expected a name like "seven_ada_12.wav"`);
  }
  return { label: match[1]!, speaker: match[2]!, take: Number(match[3]) };
}

/**
 * Read the recordings of all stages. Takes 0 to 4 of each label and speaker are for testing, the others for
 * training.
 *
 * @param options folder and speakers
 * @returns clips with plain log-mel features
 * @throws RecordingError `bad-name`, `bad-sound`, `missing-takes`; the signal's reason if aborted
 */
export async function readRecordings(options: RecordingsOptions): Promise<StagedExamples> {
  const { folder, speakers, seed, onProgress, signal } = options;
  const recordings = await listRecordings(folder, speakers);
  requireTakes(recordings, options);
  const labels = labelsByStage(recordings);
  const features = new Float32Array(recordings.length * CLIP_FEATURES);
  const extract = createFeatureExtractor();
  const resample = createCachedResampler();
  for (const [index, { file }] of recordings.entries()) {
    signal?.throwIfAborted();
    const word = trimSilence(resample(await readSound(folder, file)));
    if (word.length === 0)
      throw new RecordingError('bad-sound', `Cannot use "${file}": expected speech, got silence`);
    features.set(extract(placeInClip(word, drawPlacement(seed, file))), index * CLIP_FEATURES);
    if ((index + 1) % PROGRESS_STEP === 0) onProgress?.(index + 1, recordings.length);
  }
  onProgress?.(recordings.length, recordings.length);
  const facts = recordings.map(
    ({ label, stage, take }): ExampleFacts => ({
      label: labels.indexOf(label),
      stage,
      split: splitOf(take, options.validationTakes ?? 0),
    }),
  );
  return { labels, stages: speakers.length, facts, features, shape: CLIP_SHAPE };
}

function splitOf(take: number, validationTakes: number): ExampleFacts['split'] {
  if (take < TEST_TAKES) return 'test';
  return take < TEST_TAKES + validationTakes ? 'validation' : 'train';
}

interface Recording extends RecordingName {
  readonly file: string;
  readonly stage: number;
}

/** Sorted by name, since folders list their files in any order. */
async function listRecordings(folder: string, speakers: RecordingsOptions['speakers']): Promise<Recording[]> {
  const stageOf = new Map(speakers.flatMap((names, stage) => names.map((name) => [name, stage] as const)));
  const files = (await readdir(folder)).filter((file) => file.toLowerCase().endsWith('.wav')).sort();
  return files.flatMap((file) => {
    const name = parseRecordingName(file);
    const stage = stageOf.get(name.speaker);
    return stage === undefined ? [] : [{ ...name, file, stage }];
  });
}

function requireTakes(recordings: readonly Recording[], { folder, speakers }: RecordingsOptions): void {
  for (const speaker of speakers.flat()) {
    const own = recordings.filter((recording) => recording.speaker === speaker);
    const tests = own.filter(({ take }) => take < TEST_TAKES).length;
    if (tests > 0 && tests < own.length) continue;
    const expected = `takes below ${TEST_TAKES} and others`;
    const message = `Cannot use speaker "${speaker}" of "${folder}": expected ${expected}, got ${tests} of ${own.length}`;
    throw new RecordingError('missing-takes', message);
  }
}

function labelsByStage(recordings: readonly Recording[]): string[] {
  const inOrder = [...recordings].sort((first, second) => first.stage - second.stage);
  return [...new Set(inOrder.map(({ label }) => label))];
}

/** Reads a file of sound. @throws RecordingError `bad-sound` */
export async function readSound(folder: string, file: string): Promise<Sound> {
  const path = join(folder, file);
  const { size } = await stat(path);
  if (size > RECORDING_BYTES_LIMIT) {
    const message = `Cannot use "${file}": expected at most ${RECORDING_BYTES_LIMIT} bytes, got ${size}`;
    throw new RecordingError('bad-sound', message);
  }
  try {
    return readWav(await readFile(path));
  } catch (error) {
    if (!(error instanceof WavError)) throw error;
    throw new RecordingError('bad-sound', `Cannot use "${file}": ${error.message}`, { cause: error });
  }
}

/** A folder holds one rate as a rule, so the filters of the last rate are worth keeping. */
export function createCachedResampler(): (sound: Sound) => Float32Array {
  let known: { rate: number; resample: (samples: Float32Array) => Float32Array } | undefined;
  return ({ samples, sampleRate }) => {
    if (known?.rate !== sampleRate) known = { rate: sampleRate, resample: createResampler(sampleRate) };
    return known.resample(samples);
  };
}
