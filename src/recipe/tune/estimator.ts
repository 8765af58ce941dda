import { NeuralDiffError } from '../../model/errors.js';
import { createRandom, type Random, shuffledIndexes } from '../../train/random.js';

/** What a forest says of a configuration. */
export interface Estimate {
  readonly mean: number;
  /** Standard deviation of what its trees say. */
  readonly deviation: number;
}

/** Measured configurations: features, and a value for each. */
export interface Samples {
  readonly features: readonly (readonly number[])[];
  readonly values: readonly number[];
}

/** Predicts a value of configurations. */
export type Estimator = (features: readonly (readonly number[])[]) => Estimate[];

/** Trees of a forest. */
const TREES = 48;

/**
 * Most samples of a tree that are of the task itself. The time of a fit grows with the square of a tree's
 * samples; trees that each have their own draw forecast as well as those that have all.
 */
export const MOST_OWN = 120;

/** Samples up to which those of other tasks fill a tree. */
export const FILLED = 96;

const NONE: Samples = { features: [], values: [] };

/** Says for each configuration what each tree says. */
type Trees = (features: readonly (readonly number[])[]) => number[][];

/**
 * Fits a random forest for regression: trees of resampled examples. Where there are more than a tree may
 * have, each tree is given its own draw.
 *
 * Source: L. Breiman, "Bagging predictors" (1996) and "Random forests" (2001); as a model of configurations:
 * F. Hutter et al., "Sequential model-based optimization for general algorithm configuration" (2011); trees
 * of draws: P. Bühlmann and B. Yu, "Analyzing bagging" (2002).
 *
 * @param seed of the trees' examples
 * @param others those of other tasks, of which trees have the fewer, the more there are of the task itself
 * @throws NeuralDiffError `missing-package`; RangeError for fewer than two samples
 */
export async function fitForest(own: Samples, seed: number, others: Samples = NONE): Promise<Estimator> {
  const count = own.values.length + others.values.length;
  if (count < 2) throw new RangeError(`Cannot fit: expected at least 2 samples, got ${count}`);
  const { RandomForestRegression } = await importForest();
  const fitTrees = ({ features, values }: Samples, trees: number, treeSeed: number): Trees => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    // A tree of equal values does not end where it should.
    if (least === most) return (of) => of.map(() => new Array<number>(trees).fill(least));
    const forest = new RandomForestRegression({
      nEstimators: trees,
      // A tree that lacks a feature cannot tell configurations apart that differ in it.
      maxFeatures: 1.0,
      replacement: false,
      useSampleBagging: true,
      noOOB: true,
      seed: treeSeed | 0,
      treeOptions: { minNumSamples: 3 },
    });
    forest.train(features.map(copyOf), [...values]);
    return (of) => {
      const said = forest.predictionValues(of.map(copyOf));
      return of.map((_, row) => said.getRow(row));
    };
  };
  const forests = drawsOf(own, others, seed).map((samples, i, { length }) =>
    fitTrees(samples, TREES / length, seed + i),
  );
  return (of) => {
    if (of.length === 0) return [];
    const said = forests.map((trees) => trees(of));
    return of.map((_, row) => momentsOf(said.flatMap((each) => each[row] as number[])));
  };
}

/** @returns a draw for each tree, or all samples for all trees */
function drawsOf(own: Samples, others: Samples, seed: number): Samples[] {
  const ownCount = Math.min(own.values.length, MOST_OWN);
  const otherCount = Math.min(others.values.length, Math.max(0, FILLED - ownCount));
  if (ownCount + otherCount === own.values.length + others.values.length) return [join(others, own)];
  const random = createRandom(seed);
  return Array.from({ length: TREES }, () =>
    join(draw(others, otherCount, random), draw(own, ownCount, random)),
  );
}

function draw({ features, values }: Samples, count: number, random: Random): Samples {
  const places = [...shuffledIndexes(values.length, random).subarray(0, count)];
  return {
    features: places.map((place) => features[place] as readonly number[]),
    values: places.map((place) => values[place] as number),
  };
}

function join(first: Samples, then: Samples): Samples {
  return {
    features: [...first.features, ...then.features],
    values: [...first.values, ...then.values],
  };
}

/** @returns mean and standard deviation of at least one number */
export function momentsOf(values: readonly number[]): Estimate {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

const copyOf = (features: readonly number[]): number[] => [...features];

async function importForest() {
  try {
    return await import('ml-random-forest');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message = 'Cannot tune: run "npm install ml-random-forest@2" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}
