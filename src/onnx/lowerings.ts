import type { LoweringTable } from './lowering.js';
import { CONVOLUTIONS } from './ops/convolution.js';
import { LAYOUTS } from './ops/layouts.js';
import { NORMALISATIONS } from './ops/normalisation.js';
import { POOLINGS } from './ops/pooling.js';
import { QUANTISED_CONVOLUTIONS } from './ops/quantised-convolution.js';

/** Operators that know of layouts. */
export const LOWERINGS: LoweringTable = {
  ...{ ...CONVOLUTIONS, ...NORMALISATIONS, ...POOLINGS, ...LAYOUTS, ...QUANTISED_CONVOLUTIONS },
};
