export {
  fingerprint,
  hex,
  type ModelFiles,
  NeuralDiffError,
  openLayersStore,
  openMemoryFiles,
  openMemoryStore,
  type WeightStore,
} from '../model/index.js';
export type { ByteSource, Bytes, Patcher } from '../payload/index.js';
export { type ApplyResult, applyPayload } from './apply-payload.js';
export { type ApplyOptions, type ApplyPlan, type ApplyProgress, planApply, type TensorPlan } from './plan.js';
