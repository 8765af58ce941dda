import { createRandom, type Random, uniform } from '../common/random.js';
import type { ExampleFacts, StagedExamples } from '../common/staged-examples.js';
import { CLIP_SHAPE } from './features.js';
import type { Utterance } from './speaker.js';
import { type SynthesisOptions, synthesizeFeatures } from './speech.js';
import {
  PLAYBACK_SPEEDS,
  type SpeechStage,
  STAGES,
  TEST_VOICES,
  TRAINING_SHARE,
  TRAINING_VOICES,
} from './vocabulary.js';

/** What is spoken by whom. */
export interface SpeechPlanOptions {
  /** Fixes which combinations are spoken, how fast and how high. */
  readonly seed: number;
  /** What each stage adds, default the base model's and the update's words and accents. */
  readonly stages?: readonly SpeechStage[];
  /** espeak-ng variants heard in training. */
  readonly trainingVoices?: readonly string[];
  /** espeak-ng variants that choices are made by, heard in neither training nor tests; default none. */
  readonly validationVoices?: readonly string[];
  /** espeak-ng variants heard in tests alone. */
  readonly testVoices?: readonly string[];
  /** Share of the combinations of training and validation voices that are spoken, above 0 and at most 1. */
  readonly trainingShare?: number;
}

/** Utterances and, in the same order, what each is. */
export interface SpeechPlan {
  readonly labels: readonly string[];
  readonly stages: number;
  readonly facts: readonly ExampleFacts[];
  readonly utterances: readonly Utterance[];
}

/**
 * Lay down what is to be spoken: every test voice says every word in every accent, every training voice a
 * seeded share of them. A clip belongs to the first stage that knows both its word and its accent.
 *
 * @param options seed, stages and voices
 * @returns the plan; nothing is spoken
 */
export function planSpeech(options: SpeechPlanOptions): SpeechPlan {
  const { seed, stages = STAGES, trainingShare = TRAINING_SHARE } = options;
  const words = stages.flatMap((stage, index) => stage.words.map((word) => ({ word, stage: index })));
  const accents = stages.flatMap((stage, index) => stage.accents.map((accent) => ({ accent, stage: index })));
  const facts: ExampleFacts[] = [];
  const utterances: Utterance[] = [];
  const addVoice = (voice: string, split: ExampleFacts['split'], share: number) => {
    for (const { accent, stage: accentStage } of accents) {
      words.forEach(({ word, stage: wordStage }, label) => {
        const random = createRandom(seed, `utterance/${voice}/${accent}/${word}`);
        if (random() >= share) return;
        facts.push({ label, stage: Math.max(accentStage, wordStage), split });
        const rate = Math.round(uniform(random, 130, 200));
        const pitch = Math.round(uniform(random, 30, 70));
        const playback = split === 'train' ? drawPlayback(random) : 1;
        utterances.push({ word, accent, voice, rate, pitch, playback });
      });
    }
  };
  for (const voice of options.trainingVoices ?? TRAINING_VOICES) addVoice(voice, 'train', trainingShare);
  for (const voice of options.validationVoices ?? []) addVoice(voice, 'validation', trainingShare);
  for (const voice of options.testVoices ?? TEST_VOICES) addVoice(voice, 'test', 1);
  return { labels: words.map(({ word }) => word), stages: stages.length, facts, utterances };
}

/**
 * Speed perturbation (Ko et al., "Audio Augmentation for Speech Recognition", 2015) makes more of few voices.
 */
function drawPlayback(random: Random): number {
  return PLAYBACK_SPEEDS[Math.floor(random() * PLAYBACK_SPEEDS.length)]!;
}

/** A plan's options and how to carry it out. */
export type SpokenClipsOptions = SpeechPlanOptions &
  Omit<SynthesisOptions, 'utterances'> & {
    /** Speaks the plan, default `synthesizeFeatures`; for those who keep what was spoken. */
    readonly synthesize?: (options: SynthesisOptions) => Promise<Float32Array>;
  };

/**
 * Plan and speak the clips of all stages.
 *
 * @param options plan, threads, progress, signal
 * @returns clips with plain log-mel features
 * @throws the signal's reason if aborted
 */
export async function speakClips(options: SpokenClipsOptions): Promise<StagedExamples> {
  const { labels, stages, facts, utterances } = planSpeech(options);
  const features = await (options.synthesize ?? synthesizeFeatures)({ ...options, utterances });
  return { labels, stages, facts, features, shape: CLIP_SHAPE };
}
