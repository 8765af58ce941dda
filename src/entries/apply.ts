// The device kit: check a payload, patch a model in place.

export { type ApplyResult, applyPayload } from '../apply/apply-payload.js';
export { type ApplyOptions, type ApplyPlan, planApply } from '../apply/plan.js';
export type { Patcher } from '../payload/patch.js';
