export { checkSameTensors } from './check-tensors.js';
export { diffModels, type ExactDiff } from './diff-models.js';
export { type DiffOptions, type DiffProgress, diffStores, type StoreDiff } from './diff-stores.js';
export { exactOps } from './exact-ops.js';
export { type MatchOptions, matchStores, type StoreMatch } from './match-stores.js';
export { createMemorySpool, type Spool } from './spool.js';
