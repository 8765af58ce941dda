import { expect, test } from 'vitest';
import type { NeuralDiffError } from '../../../src/model/errors.js';
import { chooseMetric, gapOf, readMetric } from '../../../src/recipe/search/prepare.js';

test.each([
  ['accuracy', 'accuracy', 'higher'],
  ['val_acc', 'val_acc', 'higher'],
  ['loss', 'loss', 'lower'],
  ['meanSquaredError', 'meanSquaredError', 'lower'],
  ['wer:lower', 'wer', 'lower'],
  ['score:higher', 'score', 'higher'],
])('readMetric reads %s', (text, name, better) => {
  expect(readMetric(text)).toEqual({ name, better });
});

test('readMetric() asks for a direction if the name does not imply one', () => {
  expect(() => readMetric('wer')).toThrow('expected "wer:higher" or "wer:lower"');
});

test('chooseMetric() prefers accuracy over loss, and refuses metrics that are not reported', () => {
  expect(chooseMetric(undefined, { loss: 1, accuracy: 0.5 }).name).toBe('accuracy');
  expect(chooseMetric(undefined, { loss: 1 })).toEqual({ name: 'loss', better: 'lower' });
  const refuse = (reported: Record<string, number>): NeuralDiffError => {
    try {
      return chooseMetric(readMetric('wer:lower'), reported) as never;
    } catch (error) {
      return error as NeuralDiffError;
    }
  };
  expect(refuse({ loss: 1, accuracy: 0.5 })).toMatchObject({ code: 'recipe-invalid' });
  expect(refuse({ loss: 1, accuracy: 0.5 }).message).toContain('got loss, accuracy');
  expect(refuse({}).message).toContain('got none');
});

test('gapOf() is positive if the diff is behind, and infinite if it has no value', () => {
  const metrics = { base: {}, full: { accuracy: 0.9, loss: 0.2 }, diff: { accuracy: 0.8, loss: 0.5 } };
  expect(gapOf(readMetric('accuracy'), metrics)).toBeCloseTo(0.1);
  expect(gapOf(readMetric('loss'), metrics)).toBeCloseTo(0.3);
  expect(gapOf(readMetric('loss'), { ...metrics, diff: { loss: Number.NaN } })).toBe(
    Number.POSITIVE_INFINITY,
  );
});
