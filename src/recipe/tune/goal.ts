import type { Configuration } from './space.js';

/** What was measured of a trial, by name: `gap`, `bytes`, `seconds`. */
export type Measured = Readonly<Record<string, number>>;

/** A configuration to try. */
export interface PlannedTrial {
  readonly configuration: Configuration;
  /** Share of its epochs that are trained: short trials are cheap, and tell less. */
  readonly fidelity: number;
}

/** A trial that has ended. */
export interface Trial extends PlannedTrial {
  /** Undefined if it failed. */
  readonly measured: Measured | undefined;
}

/** What to look for: the least of one measure, within limits of others. */
export interface Goal {
  readonly minimise: string;
  /** The largest value of each, inclusive. */
  readonly limits: Readonly<Record<string, number>>;
}

/** Tolerance within which measured values count as equal: metrics are float32. */
const TOLERANCE = 1e-6;

/** @returns whether a trial is within all limits */
export function isWithin({ measured }: Trial, { limits }: Goal): boolean {
  if (measured === undefined) return false;
  return Object.entries(limits).every(([name, most]) => (measured[name] ?? Infinity) <= most + TOLERANCE);
}

/**
 * Orders trials: those within the limits first, then by what is minimised; of those beyond them, by how far
 * they are beyond.
 */
export function compareTrials(a: Trial, b: Trial, goal: Goal): number {
  const [over, overB] = [excessOf(a, goal), excessOf(b, goal)];
  if (over !== overB) return over < overB ? -1 : 1;
  const [value, other] = [minimisedOf(a, goal), minimisedOf(b, goal)];
  if (Math.abs(value - other) > TOLERANCE) return value - other;
  // Accuracy has few values.
  return lossOf(a) - lossOf(b);
}

/**
 * Picks the best trial within the limits, of those that were trained in full. Of trials whose values differ
 * from the best one's by no more than can be told, that with the smallest loss: it says more than a share of
 * few examples, and the best of many such shares is mostly the luckiest.
 *
 * Source: the rule of one standard error of L. Breiman et al., "Classification and Regression Trees" (1984).
 *
 * @param error standard error of what is minimised; by default 0
 */
export function pickBest<T extends Trial>(trials: readonly T[], goal: Goal, error = 0): T | undefined {
  const whole = trials.filter((trial) => trial.fidelity === 1 && isWithin(trial, goal));
  const [best] = whole.sort((a, b) => compareTrials(a, b, goal));
  if (best === undefined || error === 0) return best;
  const most = minimisedOf(best, goal) + error;
  const near = whole.filter((trial) => minimisedOf(trial, goal) <= most);
  return near.sort((a, b) => lossOf(a) - lossOf(b))[0];
}

/** @returns the sum over limits of the share by which a trial exceeds them; infinite if it failed */
function excessOf({ measured }: Trial, { limits }: Goal): number {
  if (measured === undefined) return Number.MAX_VALUE;
  let sum = 0;
  for (const [name, most] of Object.entries(limits)) {
    const over = (measured[name] ?? Number.MAX_VALUE) - most;
    if (over > TOLERANCE) sum += over / Math.max(Math.abs(most), TOLERANCE);
  }
  return sum;
}

function minimisedOf({ measured }: Trial, { minimise }: Goal): number {
  return measured?.[minimise] ?? Number.MAX_VALUE;
}

function lossOf({ measured }: Trial): number {
  return measured?.loss ?? 0;
}
