import type { TensorInfo } from '../model/index.js';
import type { Op } from './diff.js';
import { patchRange } from './patch.js';

/** Patches ranges of tensors: `patchRange` to the bit, by whatever means. */
export interface Patcher {
  /**
   * Makes an array of zeros that `patch` works on in place, without copies. It stays valid for as long as it is held;
   * its buffer may be larger than it, and cannot be transferred to another thread.
   *
   * @param byteLength its length
   */
  allocate(byteLength: number): Uint8Array;
  /**
   * Applies ops to a range of a tensor, as `patchRange` does. A patcher may remember what it worked out of an op's
   * buckets: nobody may change them between calls.
   */
  patch(ops: readonly Op[], info: TensorInfo, range: { startElement: number; bytes: Uint8Array }): void;
}

/** Patches with `patchRange` itself, on arrays like any other. */
export const plainPatcher: Patcher = {
  allocate: (byteLength) => new Uint8Array(byteLength),
  patch: patchRange,
};
