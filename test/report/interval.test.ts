import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Estimate, pairedGap, shareOf } from '../../src/report/interval.js';
import { createRandom } from '../support.js';

const TRIALS = 4000;

/** @returns how often an interval holds what is true, over samples of a seeded generator */
function coverage(truth: number, draw: (random: () => number) => Estimate, seed: number): number {
  const numbers = createRandom(seed);
  const random = () => numbers() / 2 ** 32;
  let hits = 0;
  for (let i = 0; i < TRIALS; i++) {
    const { low, high } = draw(random);
    hits += Number(low <= truth && truth <= high);
  }
  return hits / TRIALS;
}

function count(random: () => number, total: number, share: number): number {
  let sum = 0;
  for (let i = 0; i < total; i++) sum += Number(random() < share);
  return sum;
}

test('shareOf() agrees with published intervals', () => {
  // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
  const cases = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const;
  for (const [right, total, low, high] of cases) {
    const found = shareOf(right, total);
    expect([found.low.toFixed(4), found.high.toFixed(4)]).toEqual([low.toFixed(4), high.toFixed(4)]);
  }
  expect(shareOf(7, 7).high).toBe(1);
});

test.each([
  [0.5, 40],
  [0.8, 100],
  [0.95, 300],
  [0.02, 500],
])('shareOf() covers a share of %d of %i examples 95 times of a hundred', (share, total) => {
  const found = coverage(share, (random) => shareOf(count(random, total, share), total), total);
  expect(found).toBeGreaterThan(0.935);
  expect(found).toBeLessThan(0.975);
});

test.each([
  [0.03, 0.01, 200],
  [0.02, 0.02, 1820],
  [0.1, 0.25, 100],
])('pairedGap() covers what is lost less what is gained: %d, %d of %i examples', (lose, gain, total) => {
  const draw = (random: () => number): Estimate => {
    let [lost, gained] = [0, 0];
    for (let i = 0; i < total; i++) {
      const at = random();
      if (at < lose) lost++;
      else if (at < lose + gain) gained++;
    }
    return pairedGap({ lost, gained, total });
  };
  const found = coverage(lose - gain, draw, total);
  expect(found).toBeGreaterThan(0.935);
  expect(found).toBeLessThan(0.98);
});

test('estimates are within their intervals, and intervals within the possible range', () => {
  const counts = fc.tuple(fc.nat(500), fc.nat(500), fc.nat(500)).filter(([a, b, c]) => a + b + c > 0);
  fc.assert(
    fc.property(counts, ([lost, gained, same]) => {
      const total = lost + gained + same;
      const [gap, share] = [pairedGap({ lost, gained, total }), shareOf(lost, total)];
      expect(gap.low <= gap.value && gap.value <= gap.high).toBe(true);
      expect(gap.low >= -1 && gap.high <= 1).toBe(true);
      expect(share.low <= share.value && share.value <= share.high).toBe(true);
      expect(share.low >= 0 && share.high <= 1).toBe(true);
    }),
  );
});

test('pairedGap() is symmetric', () => {
  const [there, back] = [
    pairedGap({ lost: 9, gained: 2, total: 50 }),
    pairedGap({ lost: 2, gained: 9, total: 50 }),
  ];
  expect([back.value, back.low, back.high]).toEqual([-there.value, -there.high, -there.low]);
});
