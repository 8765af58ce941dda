export type { Saliency, Scope } from './saliency.js';
export { type TrainSparseDiffOptions, trainSparseDiff } from './train-sparse-diff.js';
