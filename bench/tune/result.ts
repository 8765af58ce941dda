import type { Trial } from '../../src/recipe/tune/goal.js';

/** A configuration that was trained with all epochs. */
export interface Measurement {
  readonly features: readonly number[];
  /** On validation data, points of accuracy as a share. */
  readonly gap: number;
  readonly bytes: number;
  readonly applyMilliseconds: number;
  readonly testAccuracy: number;
  readonly seconds: number;
}

/** What a search found after some whole trials. */
export interface Found {
  readonly most: number;
  readonly gap: number;
  /** The smallest gap of all whole trials: the chosen one may be within a standard error of it. */
  readonly least: number;
  readonly testAccuracy: number;
  /** Of training all trials. */
  readonly seconds: number;
  readonly configuration: string;
  readonly correlations: Readonly<Record<string, number | undefined>>;
}

/** What a task came to with a seed. */
export interface TuneUnitResult {
  readonly task: string;
  readonly seed: number;
  /** Test accuracy of the full fine-tune. */
  readonly fullTest: number;
  readonly tests: number;
  readonly validationExamples: number;
  readonly searched: readonly Found[];
  readonly random: readonly Expected[];
  /** The better of the defaults of both kinds, which is what `train auto` takes. */
  readonly defaults: Measurement;
  /** Rank correlations of forecasts with measurements of configurations that the forests had not seen. */
  readonly correlations: Readonly<Record<string, number | undefined>>;
  readonly trials: readonly Trial[];
}

/** What random search finds on average. */
export interface Expected {
  readonly most: number;
  readonly gap: number;
  readonly least: number;
  readonly testAccuracy: number;
  readonly seconds: number;
}

/**
 * @returns the mean, over all choices of `count` configurations from a pool, of the one that does best on
 *   validation data
 */
export function expectedBest(pool: readonly Measurement[], count: number): Expected {
  const ranked = [...pool].sort((a, b) => a.gap - b.gap);
  const n = ranked.length;
  const seconds = (ranked.reduce((sum, each) => sum + each.seconds, 0) / n) * count;
  let [gap, testAccuracy] = [0, 0];
  // The chance that the first ones are not among those chosen, and this one is.
  let none = 1;
  for (const [i, each] of ranked.entries()) {
    const chosen = Math.min(1, count / (n - i));
    gap += none * chosen * each.gap;
    testAccuracy += none * chosen * each.testAccuracy;
    none *= 1 - chosen;
  }
  return { most: count, gap, least: gap, testAccuracy, seconds };
}
