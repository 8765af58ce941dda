import { fromBase64 } from '../../model/bytes.js';
import { PATCHING_WASM } from './patching-wasm.js';

/**
 * Exports of `src/tfjs/kernels/assembly/patching.ts`; addresses and counts are u32, `dtype` is its payload
 * code.
 */
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
 * Compiles the patching kernels synchronously; the module is small.
 *
 * @throws ReferenceError, WebAssembly.CompileError or another error of the runtime for an unsupported module
 */
export function compileKernels(): WebAssembly.Module {
  return new WebAssembly.Module(fromBase64(PATCHING_WASM));
}
