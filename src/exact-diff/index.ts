export { diffModels, type ExactDiff } from './diff-models.js';
export { exactOps } from './exact-ops.js';
