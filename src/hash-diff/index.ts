export type { BucketCoding } from './buckets.js';
export { type TrainHashDiffOptions, trainHashDiff } from './train-hash-diff.js';
