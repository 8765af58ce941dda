import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';

/** The trainers of diffs by kind. */
export const TRAINERS = { hash: trainHashDiff, sparse: trainSparseDiff } as const;

/** The compiled modules of these trainers. */
export const TRAINER_PROGRAMS = {
  hash: new URL('../../src/hash-diff/train-hash-diff.js', import.meta.url),
  sparse: new URL('../../src/sparse-diff/train-sparse-diff.js', import.meta.url),
} as const;
