import { expect, test } from 'vitest';
import { describeFailure, NeuralDiffError, reviveFailure } from '../../src/model/errors.js';

/** What the boundary of a thread does to a value. */
const cross = (error: unknown): Error => reviveFailure(structuredClone(describeFailure(error)));

test('a NeuralDiffError keeps class, code, message, facts, stack and cause', () => {
  const cause = new TypeError('underneath', { cause: 'a word' });
  const error = new NeuralDiffError('budget-impossible', 'too small', { cause, facts: { bytes: 3 } });
  const revived = cross(error) as NeuralDiffError;
  expect(revived).toBeInstanceOf(NeuralDiffError);
  expect([revived.code, revived.message, revived.facts]).toEqual([
    'budget-impossible',
    'too small',
    { bytes: 3 },
  ]);
  expect(revived.stack).toBe(error.stack);
  expect(revived.cause).toBeInstanceOf(TypeError);
  expect(((revived.cause as Error).cause as Error).message).toBe('a word');
});

test('misuse keeps its class, other errors their name', () => {
  expect(cross(new RangeError('far'))).toBeInstanceOf(RangeError);
  const odd = cross(Object.assign(new Error('odd'), { name: 'OddError', handle: () => {} }));
  expect([odd.name, odd.message, odd instanceof RangeError]).toEqual(['OddError', 'odd', false]);
});

test('an error that causes itself ends somewhere', () => {
  const error = new Error('round');
  error.cause = error;
  let depth = 0;
  for (let at: unknown = cross(error); at instanceof Error; at = at.cause) depth++;
  expect(depth).toBe(5);
});
