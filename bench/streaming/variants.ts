import type { BranchShape, StreamNetwork } from '../../examples/streaming-keywords/model.js';
import { PRICES, type RoutePrices } from '../../examples/streaming-keywords/training.js';

/** A recogniser, and how it comes from the trained full one. */
export interface Variant {
  readonly name: string;
  /** The only branch of a network that has one. */
  readonly single?: BranchShape;
  readonly fast?: BranchShape;
  readonly choice?: StreamNetwork['choice'];
  readonly prices?: RoutePrices;
}

/** Fast branches: the full one pruned to its most important units, and factorised, of like computation. */
const PRUNED: BranchShape = { units: 24 };
export const FACTORISED: BranchShape = { units: 256, rank: 8 };

export const AMORTIZED = 'amortized';
export const WITHOUT_LATENCY = 'amortized, no latency term';
export const FULL_NAME = 'full';

/** All of them go on from the trained full recogniser for the same epochs. */
export const VARIANTS: readonly Variant[] = [
  { name: FULL_NAME, single: { units: 256 } },
  // About the computation of the amortized recogniser on an idle thread.
  { name: 'pruned', single: { units: 76 } },
  { name: 'factorised', single: { units: 256, rank: 28 } },
  { name: 'switched by energy', fast: FACTORISED, choice: 'given' },
  { name: WITHOUT_LATENCY, fast: FACTORISED, prices: PRICES.compute },
  { name: 'amortized, pruned branch', fast: PRUNED, prices: PRICES.latency },
  { name: AMORTIZED, fast: FACTORISED, prices: PRICES.latency },
];
