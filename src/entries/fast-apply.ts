export { createFastPatcher, createPatcher } from '../apply/fast/create-patcher.js';
export { type Patcher, plainPatcher } from '../payload/patch.js';
