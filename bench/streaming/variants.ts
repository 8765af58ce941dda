import {
  type BranchShape,
  DENSE,
  FAST,
  FULL,
  type StreamNetwork,
} from '../../examples/streaming-keywords/model.js';
import { PRICES, type RoutePrices } from '../../examples/streaming-keywords/training.js';

/** A recogniser, and how it comes from the trained dense one. */
export interface Variant extends Pick<StreamNetwork, 'branches' | 'choice'> {
  readonly name: string;
  /** Of a network with an arbitrator. */
  readonly prices?: RoutePrices;
}

/** The full branch pruned to its most important units, of about the computation of the factorised `FAST`. */
const PRUNED_FAST: BranchShape = { units: 6 };

export const AMORTIZED = 'amortized';
export const WITHOUT_LATENCY = 'amortized, no latency term';
export const DENSE_NAME = 'dense';
export const FULL_NAME = 'full branch alone';

const BOTH = { full: FULL, fast: FAST };

/** All of them go on from the trained dense recogniser for the same epochs. */
export const VARIANTS: readonly Variant[] = [
  { name: DENSE_NAME, branches: { full: DENSE } },
  { name: FULL_NAME, branches: { full: FULL } },
  // About the computation of the amortized recogniser on an idle thread.
  { name: 'pruned', branches: { full: { units: 20 } } },
  { name: 'factorised', branches: { full: { units: 256, rank: 7 } } },
  { name: 'switched by energy', branches: BOTH, choice: 'given' },
  { name: WITHOUT_LATENCY, branches: BOTH, prices: PRICES.compute },
  {
    name: 'amortized, pruned branch',
    branches: { full: FULL, fast: PRUNED_FAST },
    prices: PRICES.latency,
  },
  { name: AMORTIZED, branches: BOTH, prices: PRICES.latency },
];
