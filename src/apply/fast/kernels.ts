import { fromBase64 } from '../../model/bytes.js';
import { PATCHING_WASM } from './patching-wasm.js';

/** What `src/kernels/assembly/patching.ts` exports; addresses and counts are u32, `dtype` is its code in payloads. */
export interface Kernels {
  patchHash(
    ...args: [
      dtype: number,
      data: number,
      count: number,
      index: number,
      skipped: number,
      block: number,
      seed: number,
      buckets: number,
      table: number,
      tableBytes: number,
    ]
  ): void;
  patchBytes(
    ...args: [
      data: number,
      count: number,
      index: number,
      skipped: number,
      block: number,
      seed: number,
      buckets: number,
      table: number,
      scale: number,
    ]
  ): void;
  patchSparse(
    ...args: [
      dtype: number,
      data: number,
      first: number,
      positions: number,
      levels: number,
      count: number,
      scale: number,
    ]
  ): void;
  patchDense(...args: [dtype: number, data: number, levels: number, count: number, scale: number]): void;
}

/**
 * Compiles the patching kernels, at once: they are few.
 *
 * @throws ReferenceError, WebAssembly.CompileError or whatever else the runtime has for modules that it does not take
 */
export function compileKernels(): WebAssembly.Module {
  return new WebAssembly.Module(fromBase64(PATCHING_WASM));
}
