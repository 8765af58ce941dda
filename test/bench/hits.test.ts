import { expect, test } from 'vitest';
import { flipsOf, intervalOf } from '../../bench/accuracy/hits.js';

test('flips count examples that one of two models alone classifies correctly', () => {
  const [full, other] = [Uint8Array.of(1, 1, 1, 0, 0), Uint8Array.of(1, 0, 0, 1, 0)];
  expect(flipsOf(full, other)).toEqual({ lost: 2, gained: 1 });
});

test('the interval is that of the paired difference, and wider when seeds differ', () => {
  // 20 of 1,000 examples differ, as many either way: a variance of 0.02 an example.
  const same = { lost: 10, gained: 10 };
  const one = 1.96 * Math.sqrt(0.02 / 1_000);
  expect(intervalOf([same], 1_000)).toBeCloseTo(one, 12);
  expect(intervalOf([same, same, same], 1_000)).toBeCloseTo(one, 12);
  const apart = [{ lost: 20, gained: 0 }, same, { lost: 0, gained: 20 }];
  const within = (0.02 - 0.02 ** 2 + 0.02 + 0.02 - 0.02 ** 2) / 3 / 1_000;
  expect(intervalOf(apart, 1_000)).toBeCloseTo(1.96 * Math.sqrt(0.02 ** 2 / 3 + within), 12);
});

test('models that agree on every example have an interval of no width', () => {
  expect(intervalOf([{ lost: 0, gained: 0 }], 500)).toBe(0);
});
