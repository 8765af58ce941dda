export { type Patcher, plainPatcher } from '../payload/index.js';
export { createPatcher } from './create-patcher.js';
export { createFastPatcher } from './fast-patcher.js';
