import { expect, test } from 'vitest';
import { annealedChoice, temperatureAt } from '../../src/train/annealed-choice.js';

test('temperatureAt() falls by equal factors in equal times', () => {
  const range = { first: 1, last: 0.01 };
  expect(temperatureAt(range, 0)).toBe(1);
  expect(temperatureAt(range, 0.5)).toBeCloseTo(0.1, 12);
  expect(temperatureAt(range, 1)).toBeCloseTo(0.01, 12);
});

test('annealedChoice() hardens: the score of 70 : 30 at first is one of 99.99 : 0.01 in the end', () => {
  const score = Math.log(0.7 / 0.3);
  expect(annealedChoice(score, 1)).toBeCloseTo(0.7, 12);
  expect(annealedChoice(score, 0.09)).toBeGreaterThan(0.9999);
  expect(annealedChoice(-score, 0.09)).toBeLessThan(0.0001);
});

test('annealedChoice() at temperature 0 is what a device does: the first branch from 0 on', () => {
  expect([-1e-30, 0, 1e-30].map((logit) => annealedChoice(logit, 0))).toEqual([0, 1, 1]);
});
