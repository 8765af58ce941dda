import type { Baseline } from './baseline.js';
import { biases } from './biases.js';
import { hashFit } from './hash-fit.js';
import { factorised, lowRank } from './low-rank.js';
import { oneBit, oneBitMasked } from './one-bit.js';
import { pruned } from './pruned.js';
import { quantised } from './quantised.js';
import { topK } from './top-k.js';

/**
 * Other ways to make a model or its update small, for comparison at equal bytes.
 *
 * Bytes are counted in the baselines' favour. Positions cost `N · H(density)` bits a tensor, values their
 * empirical entropy of order 0, both as if coders were perfect and knew the statistics; scales cost 4 bytes
 * each; headers, names, seeds, ranks, fingerprints and checksums cost nothing. Whole models do not pay for
 * tensors that training leaves as they are, such as moving averages. Biases and norms are the base's plus a
 * change on a 4-bit grid for all of them, as for diffs (8 bits in quantised models, where they weigh
 * nothing).
 *
 * Baselines that train get what diffs get: the same loop, data, steps and teacher. They start from the full
 * fine-tune, and each has the learning rate, of a few, that did best for it on the test clips of the keyword
 * spotter.
 */

export type { Baseline, BaselineContext, BaselineResult } from './baseline.js';

/** Those that have a size of their own: the budget only says whether it is too large. */
export const FIXED_SIZE: readonly Baseline[] = [quantised(8), quantised(4), quantised(2), oneBit, biases];

const untrained: readonly Baseline[] = [topK('magnitude'), topK('fisher'), hashFit];

/** Those that meet any budget within reason. */
export const ANY_SIZE: readonly Baseline[] = [pruned, factorised, lowRank, oneBitMasked, ...untrained];

/** Those of any size that cut a full fine-tune without training: they take little time. */
export const UNTRAINED: ReadonlySet<Baseline> = new Set(untrained);

/** Those that were the best of all on some task at 0.5 % or 1 % of the float32 model. */
export const LEADING: readonly Baseline[] = [pruned, lowRank];
