import { type Patcher, plainPatcher } from '../payload/index.js';
import { createFastPatcher } from './fast-patcher.js';

/**
 * Makes the fastest patcher that the runtime allows.
 *
 * @returns the one of `createFastPatcher`, or the plain one where WebAssembly or its SIMD instructions are absent, or a
 *   content security policy forbids them
 */
export function createPatcher(): Patcher {
  try {
    return createFastPatcher();
  } catch {
    // Runtimes have many errors for a module that they do not take; the plain patcher is right after all of them.
    return plainPatcher;
  }
}
