import { readdir } from 'node:fs/promises';
import { SourceError } from '../common/source-error.js';
import { drawPlacement, type Placement, placeInClip, trimSilence } from '../keyword-spotting/clip.js';
import { createCachedResampler, parseRecordingName, readSound } from '../keyword-spotting/recordings.js';
import { createClipMaker, groupByVoice } from '../keyword-spotting/speech.js';
import { planSpeech } from '../keyword-spotting/spoken-clips.js';

/** A word in the middle of a second of sound. */
export interface Clip {
  /** 16,000 samples. */
  readonly samples: Float32Array;
  /** Index among the labels. */
  readonly label: number;
  /** What the base learns from, what the update adds, the test by other speakers. */
  readonly part: 'base' | 'update' | 'test';
}

/** Spoken words in three parts. */
export interface ClipSet {
  readonly labels: readonly string[];
  /** How many there are. */
  readonly count: number;
  /** What the update adds, in words. */
  readonly adds: string;
  /** Who is heard in the test alone, in words. */
  readonly testSpeakers: string;
  /** Makes or reads them, one after another. */
  readonly clips: () => AsyncGenerator<Clip>;
}

/** Share of the words of each training voice and accent that are spoken. */
const TRAINING_SHARE = 0.25;

/** Words stand in the middle of their second: a model that hears less of it still hears them whole. */
function inTheMiddle(seed: number, name: string): Placement {
  return { ...drawPlacement(seed, name), offset: 0.5 };
}

/**
 * Words by synthetic voices: the base knows 30 words in three accents, the update adds five words and an
 * accent, the test has other voices.
 */
export function spokenWords(seed: number): ClipSet {
  const { labels, facts, utterances } = planSpeech({ seed, trainingShare: TRAINING_SHARE });
  return {
    labels,
    count: utterances.length,
    adds: 'five words and an accent',
    testSpeakers: `${new Set(utterances.filter((_, i) => facts[i]?.split === 'test').map(({ voice }) => voice)).size} other voices`,
    async *clips() {
      const makeClips = createClipMaker(inTheMiddle);
      for (const { task, indices } of groupByVoice({ utterances, seed })) {
        const clips = await makeClips(task);
        for (const [i, samples] of clips.entries()) {
          const { label, split, stage } = facts[indices[i] as number] as (typeof facts)[number];
          yield { samples, label, part: split === 'test' ? 'test' : stage === 0 ? 'base' : 'update' };
        }
      }
    },
  };
}

/**
 * Recordings of words: the speakers in alphabetical order, the first third in the base model, the second in
 * the update, the last in the test.
 *
 * @param folder of files `{label}_{speaker}_{take}.wav`
 * @throws SourceError for fewer than three speakers; RecordingError
 */
export async function recordedWords(folder: string, seed: number): Promise<ClipSet> {
  const files = (await readdir(folder)).filter((file) => file.toLowerCase().endsWith('.wav')).sort();
  const recordings = files.map((file) => ({ file, ...parseRecordingName(file) }));
  const speakers = [...new Set(recordings.map(({ speaker }) => speaker))].sort();
  if (speakers.length < 3) {
    const message = `Cannot use "${folder}": expected recordings of three speakers or more, got ${speakers.length}`;
    throw new SourceError('missing-speakers', message);
  }
  const partOf = (speaker: string): Clip['part'] =>
    (['base', 'update', 'test'] as const)[Math.floor((3 * speakers.indexOf(speaker)) / speakers.length)]!;
  const labels = [...new Set(recordings.map(({ label }) => label))].sort();
  const namesOf = (part: Clip['part']): string =>
    speakers.filter((speaker) => partOf(speaker) === part).join(', ');
  return {
    labels,
    count: recordings.length,
    adds: `the speakers ${namesOf('update')}`,
    testSpeakers: namesOf('test'),
    async *clips() {
      const resample = createCachedResampler();
      for (const { file, label, speaker } of recordings) {
        const word = trimSilence(resample(await readSound(folder, file)));
        const samples = placeInClip(word, inTheMiddle(seed, file));
        yield { samples, label: labels.indexOf(label), part: partOf(speaker) };
      }
    },
  };
}
