import { NeuralDiffError } from '../../model/errors.js';

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
 * Fits a random forest for regression: trees of resampled examples.
 *
 * Source: L. Breiman, "Bagging predictors" (1996) and "Random forests" (2001); as a model of configurations:
 * F. Hutter et al., "Sequential model-based optimization for general algorithm configuration" (2011).
 *
 * @param seed of the trees' examples
 * @throws NeuralDiffError `missing-package`; RangeError for fewer than two samples
 */
export async function fitForest({ features, values }: Samples, seed: number): Promise<Estimator> {
  if (values.length < 2)
    throw new RangeError(`Cannot fit: expected at least 2 samples, got ${values.length}`);
  const { RandomForestRegression } = await importForest();
  const [least, most] = [Math.min(...values), Math.max(...values)];
  // A tree of equal values does not end where it should.
  if (least === most) return (of) => of.map(() => ({ mean: least, deviation: 0 }));
  const forest = new RandomForestRegression({
    nEstimators: TREES,
    // A tree that lacks a feature cannot tell configurations apart that differ in it.
    maxFeatures: 1.0,
    replacement: false,
    useSampleBagging: true,
    noOOB: true,
    seed: seed | 0,
    treeOptions: { minNumSamples: 3 },
  });
  forest.train(features.map(copyOf), [...values]);
  return (of) => {
    if (of.length === 0) return [];
    const trees = forest.predictionValues(of.map(copyOf));
    return of.map((_, row) => momentsOf(trees.getRow(row)));
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
