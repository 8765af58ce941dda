import type { LoweringTable } from './lowering.js';
import { CONVOLUTIONS } from './ops/convolution.js';
import { NORMALISATIONS } from './ops/normalisation.js';
import { POOLINGS } from './ops/pooling.js';
import { LAYOUTS } from './ops/layouts.js';

/** Operators that know of layouts. */
export const LOWERINGS: LoweringTable = { ...CONVOLUTIONS, ...NORMALISATIONS, ...POOLINGS, ...LAYOUTS };
