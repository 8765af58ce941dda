import { type Patcher, plainPatcher } from '../payload/index.js';
import { createFastPatcher } from './fast-patcher.js';
import { compileKernels } from './kernels.js';

/**
 * Makes the fastest patcher that the runtime allows.
 *
 * @returns the one of `createFastPatcher`, or the plain one where WebAssembly or its SIMD instructions are absent, or a
 *   content security policy forbids them
 */
export function createPatcher(): Patcher {
  return canCompile() ? createFastPatcher() : plainPatcher;
}

/** Runtimes have many errors for a module that they do not take; the plain patcher is right after all of them. */
function canCompile(): boolean {
  try {
    compileKernels();
    return true;
  } catch {
    return false;
  }
}
