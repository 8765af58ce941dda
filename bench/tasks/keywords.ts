import type { TrainingPlan } from '../../examples/common/train-base.js';
import { type KeywordDataOptions, loadKeywordData } from '../../examples/keyword-spotting/data.js';
import { createKeywordModel } from '../../examples/keyword-spotting/model.js';
import { synthesizeCached } from '../../examples/keyword-spotting/speech-cache.js';
import { SIX_STAGES, TEST_VOICES, TRAINING_VOICES } from '../../examples/keyword-spotting/vocabulary.js';
import type { BenchTask, LoadOptions } from './task.js';

/** Of the voices that the demo trains on, the last ones are kept for choices. */
const VALIDATION_VOICES = 6;

/** Voices of a short run. */
const QUICK_VOICES = { training: 12, validation: 2, test: 4 };

/** The speakers of the Free Spoken Digit Dataset: the base model's, then one an update. */
const SPEAKERS = [['jackson'], ['theo'], ['yweweler'], ['lucas'], ['nicolas'], ['george']];

/** Takes of each word that are kept for choices: as many as for tests. */
const VALIDATION_TAKES = 5;

const BASE_TRAINING: TrainingPlan = { epochs: 12, learningRate: 3e-3, batchSize: 64 };

export const FINE_TUNING: TrainingPlan = { epochs: 10, learningRate: 2e-3, batchSize: 64 };

/** With recordings there are few of them, and one speaker: more epochs make about as many steps. */
const RECORDED_BASE_TRAINING: TrainingPlan = { ...BASE_TRAINING, epochs: 64 };

const RECORDED_FINE_TUNING: TrainingPlan = { ...FINE_TUNING, epochs: 36, learningRate: 1e-3 };

/** Epochs of diffs, of synthetic and of recorded words. */
export const DIFF_EPOCHS = 60;
const RECORDED_DIFF_EPOCHS = 72;

/**
 * The keyword spotter: words and an accent an update or, with a folder of recordings, a speaker an update.
 */
export const keywords: BenchTask = {
  name: 'keywords',
  title: 'keywords in speech, DS-CNN',
  async load(options) {
    const { seed, data, signal, onProgress } = options;
    const { labels, stages } = await loadKeywordData({
      ...(data === undefined ? spoken(options) : recorded(data)),
      seed,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    const adds =
      data === undefined
        ? SIX_STAGES.map(({ words, accents }) => `${words.length} words, ${accents.join(' ')}`)
        : SPEAKERS.map((names) => names.join(' '));
    return {
      labels,
      classes: labels.length,
      baseTraining: data === undefined ? BASE_TRAINING : RECORDED_BASE_TRAINING,
      fineTuning: data === undefined ? FINE_TUNING : RECORDED_FINE_TUNING,
      diffEpochs: data === undefined ? DIFF_EPOCHS : RECORDED_DIFF_EPOCHS,
      stages: stages.map((stage, i) => ({ ...stage, adds: adds[i] as string })),
      createModel: (modelSeed) => createKeywordModel(labels.length, modelSeed),
    };
  },
};

function spoken({ quick }: LoadOptions): KeywordDataOptions {
  const training = TRAINING_VOICES.slice(0, -VALIDATION_VOICES);
  const validation = TRAINING_VOICES.slice(-VALIDATION_VOICES);
  return {
    synthesize: synthesizeCached,
    stages: quick ? SIX_STAGES.slice(0, 2) : SIX_STAGES,
    trainingVoices: quick ? training.slice(0, QUICK_VOICES.training) : training,
    validationVoices: quick ? validation.slice(0, QUICK_VOICES.validation) : validation,
    testVoices: quick ? TEST_VOICES.slice(0, QUICK_VOICES.test) : TEST_VOICES,
  };
}

function recorded(folder: string): KeywordDataOptions {
  return { recordings: { folder, speakers: SPEAKERS, validationTakes: VALIDATION_TAKES } };
}
