import { expect, test } from 'vitest';
import { selectNames } from '../../src/train/selection.js';

const NAMES = ['body/conv/kernel', 'body/conv/bias', 'head/kernel', 'head/bias'];

test.each([
  [{}, NAMES],
  [{ only: ['head/*'] }, ['head/kernel', 'head/bias']],
  [{ freeze: ['body/*', '*bias'] }, ['head/kernel']],
  [{ only: ['*/kernel'], freeze: ['head/*'] }, ['body/conv/kernel']],
  [{ only: ['head/bias', 'body/conv/kernel'] }, ['body/conv/kernel', 'head/bias']],
])('%j selects by patterns', (selection, expected) => {
  expect([...selectNames(NAMES, selection)].sort()).toEqual([...expected].sort());
});

test('a pattern stands for itself except for the stars', () => {
  expect([...selectNames(['a.b[0]', 'axb0'], { only: ['a.b[0]'] })]).toEqual(['a.b[0]']);
});

test.each([
  [{ only: ['heads/*'] }, 'Cannot use only "heads/*"'],
  [{ freeze: ['x'] }, 'Cannot use freeze "x"'],
  [{ only: ['head/*'], freeze: ['*'] }, 'leave no weights to train'],
])('%j is refused', (selection, message) => {
  expect(() => selectNames(NAMES, selection)).toThrow(RangeError);
  expect(() => selectNames(NAMES, selection)).toThrow(message);
});
