import { RandomForestRegression } from 'ml-random-forest';
import { afterEach, expect, test, vi } from 'vitest';
import { FILLED, fitForest, MOST_OWN, type Samples } from '../../../src/recipe/tune/estimator.js';
import { rankCorrelation } from '../../../src/recipe/tune/rank.js';
import { createRandom } from '../../../src/train/random.js';

afterEach(() => {
  vi.restoreAllMocks();
});

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

/** Fits a forest, and returns the values that each call of the package was trained on. */
async function trainedOn(own: Samples, others?: Samples): Promise<number[][]> {
  const train = vi.spyOn(RandomForestRegression.prototype, 'train');
  await fitForest(own, 7, others);
  const sets = train.mock.calls.map(([features, values]) => {
    expect(features).toHaveLength(values.length);
    return [...values];
  });
  vi.restoreAllMocks();
  return sets;
}

test('a tree has all samples of the task, and is filled with draws of others', async () => {
  const own = samples(20, 1);
  const others = samples(300, 2);
  const sets = await trainedOn(own, others);
  expect(sets.length).toBeGreaterThan(40);
  for (const set of sets) {
    expect(set).toHaveLength(FILLED);
    expect(new Set(set).size).toBe(FILLED);
    expect(set).toEqual(expect.arrayContaining(own.values));
  }
  // All trees together know all others.
  expect(new Set(sets.flat()).size).toBe(320);
});

test('samples of the task itself are drawn where there are more than a tree may have', async () => {
  const own = samples(MOST_OWN + 30, 1);
  const sets = await trainedOn(own, samples(50, 2));
  for (const set of sets) expect(set).toHaveLength(MOST_OWN);
  expect(new Set(sets.flat())).toEqual(new Set(own.values));
});

test('few samples are given to all trees at once, those of other tasks first', async () => {
  const [own, others] = [samples(20, 1), samples(FILLED - 20, 2)];
  expect(await trainedOn(own, others)).toEqual([[...others.values, ...own.values]]);
  expect(await trainedOn(samples(MOST_OWN, 1))).toEqual([samples(MOST_OWN, 1).values]);
});

test('forests of draws say the same for the same seed, and order what they have not seen', async () => {
  const [own, others] = [samples(10, 1), samples(300, 2)];
  const unseen = samples(60, 3);
  const [one, same, other] = await Promise.all([7, 7, 8].map((seed) => fitForest(own, seed, others)));
  const guesses = one?.(unseen.features) ?? [];
  expect(same?.(unseen.features)).toEqual(guesses);
  expect(other?.(unseen.features)).not.toEqual(guesses);
  const pairs = guesses.map(({ mean }, i): [number, number] => [mean, unseen.values[i] as number]);
  expect(rankCorrelation(pairs)).toBeGreaterThan(0.9);
  // Draws of which all values are equal.
  const flat = { features: others.features, values: others.values.map((_, i) => (i === 0 ? 2 : 1)) };
  const [far] = (await fitForest({ features: [], values: [] }, 7, flat))([[0.5, 0.5, 1]]);
  expect(far?.mean).toBeCloseTo(1, 1);
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
