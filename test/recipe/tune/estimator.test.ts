import { expect, test } from 'vitest';
import { fitForest } from '../../../src/recipe/tune/estimator.js';
import { rankCorrelation } from '../../../src/recipe/tune/rank.js';
import { createRandom } from '../../../src/train/random.js';

function samples(count: number, seed: number) {
  const random = createRandom(seed);
  const features = Array.from({ length: count }, () => [random(), random(), Math.floor(3 * random())]);
  const values = features.map(([a = 0, , c = 0]) => 2 * a * (c === 2 ? -1 : 1) + 0.5 * c + 0.05 * random());
  return { features, values };
}

test('fitForest() orders configurations that it has not seen', async () => {
  const forest = await fitForest(samples(80, 1), 7);
  const unseen = samples(60, 2);
  const guesses = forest(unseen.features);
  const pairs = guesses.map(({ mean }, i): [number, number] => [mean, unseen.values[i] as number]);
  expect(rankCorrelation(pairs)).toBeGreaterThan(0.85);
  for (const { deviation } of guesses) expect(deviation).toBeGreaterThanOrEqual(0);
  expect(forest([])).toEqual([]);
});

test('fitForest() says the same for the same seed', async () => {
  const [one, same, other] = await Promise.all([7, 7, 8].map((seed) => fitForest(samples(40, 1), seed)));
  const { features } = samples(10, 3);
  expect(same?.(features)).toEqual(one?.(features));
  expect(other?.(features)).not.toEqual(one?.(features));
});

test('fitForest() copes with equal values, and refuses a single one', async () => {
  const forest = await fitForest({ features: [[1], [2]], values: [3, 3] }, 1);
  expect(forest([[5]])).toEqual([{ mean: 3, deviation: 0 }]);
  await expect(fitForest({ features: [[1]], values: [3] }, 1)).rejects.toThrow(RangeError);
});

test('rankCorrelation() is that of the ranks, with ties', () => {
  expect(
    rankCorrelation([
      [1, 10],
      [2, 200],
      [3, 3000],
    ]),
  ).toBe(1);
  expect(
    rankCorrelation([
      [1, 3],
      [2, 2],
      [3, 1],
    ]),
  ).toBe(-1);
  expect(
    rankCorrelation([
      [1, 1],
      [2, 1],
      [3, 1],
    ]),
  ).toBeUndefined();
  expect(
    rankCorrelation([
      [1, 1],
      [2, 2],
    ]),
  ).toBeUndefined();
  // As computed by hand: ranks 0.5, 0.5, 2, 3 and 0, 1, 2, 3.
  expect(
    rankCorrelation([
      [1, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]),
  ).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
});
