import { expect, test } from 'vitest';
import { fineTuneKey, type TrainingJob } from '../../src/recipe/job.js';
import { mergeOptions, unknownOptions } from '../../src/recipe/options.js';

const JOB: TrainingJob = { kind: 'hash', base: 'v1', recipe: 'recipe.mjs', budget: '1%' };

test('mergeOptions() lets the job override the recipe, in maps by name', () => {
  const recipe = {
    epochs: 3,
    batchSize: 8,
    fineTune: { epochs: 2, learningRate: 0.1 },
    hash: { block: 4 },
  } as const;
  const job = { epochs: 5, batchSize: undefined, fineTune: { epochs: 1 }, sparse: { bits: 2 } };
  expect(mergeOptions(recipe, job)).toEqual({
    epochs: 5,
    batchSize: 8,
    fineTune: { epochs: 1, learningRate: 0.1 },
    hash: { block: 4 },
    sparse: { bits: 2 },
  });
  expect(mergeOptions({ distillation: { weight: 0.5 } }, { distillation: false })).toEqual({
    distillation: false,
  });
  expect(mergeOptions({}, {})).toEqual({});
});

test('unknownOptions() lists unknown names, also in maps', () => {
  expect(unknownOptions({ epochs: 1, epoch: 2, hash: { block: 1, blok: 2 } })).toEqual([
    'epoch',
    'hash.blok',
  ]);
  expect(unknownOptions({ distillation: false })).toEqual([]);
});

test('fineTuneKey() depends only on what affects the full fine-tune', () => {
  const same: Partial<TrainingJob>[] = [
    { kind: 'sparse', budget: 900 },
    { backend: 'wasm', chain: [] },
    { options: { epochs: 9, learningRate: 1, hash: { block: 2 }, distillation: false } },
  ];
  const other: Partial<TrainingJob>[] = [
    { base: 'v2' },
    { recipe: 'other.mjs' },
    { seed: 0 },
    { seed: 1 },
    { chain: ['v2.ndiff'] },
    { backend: 'cpu' },
    { options: { batchSize: 8 } },
    { options: { mode: 'training' } },
    { options: { outputs: ['logits'] } },
    { options: { outputKind: 'logits' } },
    { options: { only: ['head/*'] } },
    { options: { freeze: ['head/*'] } },
    { options: { fineTune: { epochs: 2 } } },
    { options: { fineTune: { learningRate: 2 } } },
  ];
  const dropout: Partial<TrainingJob>[] = [
    { options: { mode: 'training' } },
    { options: { fineTune: { mode: 'training' } } },
  ];
  const keyOf = (change: Partial<TrainingJob>): string => fineTuneKey({ ...JOB, ...change });
  expect(new Set(dropout.map(keyOf)).size).toBe(1);
  expect(new Set(same.map(keyOf))).toEqual(new Set([fineTuneKey(JOB)]));
  expect(new Set([JOB, ...other].map(keyOf)).size).toBe(other.length + 1);
});
