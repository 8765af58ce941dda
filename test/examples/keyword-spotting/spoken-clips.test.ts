import { describe, expect, it } from 'vitest';
import { splitStages } from '../../../examples/common/staged-examples.js';
import { planSpeech } from '../../../examples/keyword-spotting/spoken-clips.js';
import {
  SIX_STAGES,
  STAGES,
  TEST_VOICES,
  TRAINING_VOICES,
} from '../../../examples/keyword-spotting/vocabulary.js';

const plan = planSpeech({ seed: 1 });
const inSplit = (split: string) => plan.facts.filter((facts) => facts.split === split);

describe('planSpeech()', () => {
  it('never lets training hear a test voice', () => {
    plan.utterances.forEach(({ voice }, index) => {
      const heardInTraining = plan.facts[index]!.split === 'train';
      expect(TRAINING_VOICES.includes(voice)).toBe(heardInTraining);
      expect(TEST_VOICES.includes(voice)).toBe(!heardInTraining);
    });
  });

  it('holds out a fifth to a quarter of the voices, each named once', () => {
    const voices = [...TRAINING_VOICES, ...TEST_VOICES];
    expect(new Set(voices).size).toBe(voices.length);
    expect(TEST_VOICES.length / voices.length).toBeGreaterThan(0.2);
    expect(TEST_VOICES.length / voices.length).toBeLessThan(0.25);
  });

  it('tests every combination of word, accent and test voice', () => {
    expect(inSplit('test').length).toBe(35 * 4 * TEST_VOICES.length);
    expect(inSplit('test').filter(({ stage }) => stage === 0).length).toBe(30 * 3 * TEST_VOICES.length);
  });

  it('trains on a share of the combinations that covers every label', () => {
    expect(inSplit('train').length).toBeGreaterThan(3_000);
    expect(inSplit('train').length).toBeLessThan(4_500);
    expect(new Set(inSplit('train').map(({ label }) => label)).size).toBe(plan.labels.length);
  });

  it('keeps new words and new accents from the base model', () => {
    const [base] = STAGES;
    plan.utterances.forEach(({ word, accent }, index) => {
      const known = base!.words.includes(word) && base!.accents.includes(accent);
      expect(plan.facts[index]!.stage).toBe(known ? 0 : 1);
    });
  });

  it('keeps voices for choices from training, and leaves the others as they are', () => {
    const validationVoices = TRAINING_VOICES.slice(-2);
    const trainingVoices = TRAINING_VOICES.slice(0, -2);
    const other = planSpeech({ seed: 1, trainingVoices, validationVoices });
    other.utterances.forEach(({ voice }, index) => {
      expect(other.facts[index]!.split === 'validation').toBe(validationVoices.includes(voice));
    });
    const of = ({ utterances, facts }: typeof plan, split: string) =>
      utterances.filter((_, index) => facts[index]!.split === split);
    expect(of(other, 'test')).toEqual(of(plan, 'test'));
    expect(of(other, 'train')).toEqual(
      of(plan, 'train').filter(({ voice }) => trainingVoices.includes(voice)),
    );
  });

  it('adds words and an accent with each of five updates, after the same base and first update', () => {
    expect(SIX_STAGES.slice(0, 2)).toEqual(STAGES);
    const { facts, stages, labels } = planSpeech({ seed: 1, stages: SIX_STAGES });
    expect([stages, new Set(labels).size]).toEqual([6, labels.length]);
    SIX_STAGES.forEach(({ words, accents }, stage) => {
      expect([words.length > 2, accents.length > 0]).toEqual([true, true]);
      expect(facts.some((own) => own.stage === stage && own.split === 'test')).toBe(true);
    });
  });

  it('is fixed by its seed', () => {
    expect(planSpeech({ seed: 1 })).toEqual(plan);
    expect(planSpeech({ seed: 2 })).not.toEqual(plan);
  });
});

describe('splitStages()', () => {
  const features = Float32Array.from({ length: 6 * 1_960 }, (_, index) => Math.floor(index / 1_960));
  const clips = {
    labels: ['a', 'b'],
    stages: 2,
    features,
    shape: [49, 1, 40],
    facts: [
      { label: 0, stage: 1, split: 'train' },
      { label: 1, stage: 0, split: 'train' },
      { label: 0, stage: 0, split: 'test' },
      { label: 1, stage: 1, split: 'test' },
      { label: 0, stage: 0, split: 'train' },
      { label: 1, stage: 1, split: 'train' },
    ],
  } as const;

  it('gives each stage everything known so far', () => {
    const [base, update] = splitStages(clips, 1);
    expect([base!.train.count, base!.test.count]).toEqual([2, 1]);
    expect([update!.train.count, update!.test.count]).toEqual([4, 2]);
    expect(update!.train.labels.subarray(0, 2)).toEqual(base!.train.labels);
  });

  it('keeps each label with its features', () => {
    const { train } = splitStages(clips, 3)[1]!;
    const indices = Array.from({ length: train.count }, (_, clip) => train.features[clip * 1_960]!);
    expect([...indices].sort()).toEqual([0, 1, 4, 5]);
    indices.forEach((index, clip) => {
      expect(train.labels[clip]).toBe(clips.facts[index]!.label);
    });
  });
});
