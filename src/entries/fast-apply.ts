// A faster patcher for the device kit, in WebAssembly, with the same bits.

export { createPatcher } from '../apply/fast/create-patcher.js';
