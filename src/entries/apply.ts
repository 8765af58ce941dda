export { type ApplyResult, applyPayload } from '../apply/apply-payload.js';
export {
  type ApplyOptions,
  type ApplyPlan,
  type ApplyProgress,
  planApply,
  type TensorPlan,
} from '../apply/plan.js';
export { hex } from '../model/bytes.js';
export { NeuralDiffError } from '../model/errors.js';
export { fingerprint } from '../model/fingerprint.js';
export { openLayersStore } from '../model/layers-store.js';
export { type ModelFiles, openMemoryFiles } from '../model/model-files.js';
export { openMemoryStore, type WeightStore } from '../model/store.js';
export type { Patcher } from '../payload/patch.js';
