import { CHUNK_BYTES } from '../../model/limits.js';
import { type TensorInfo, wordBytes } from '../../model/tensor.js';
import { type Op, touches } from '../../payload/diff.js';
import { type Patcher, patchRange, plainPatcher } from '../../payload/patch.js';
import { Arena } from './arena.js';
import { compileKernels } from './kernels.js';
import { canPatch, patchArena } from './patch-arena.js';
import { compileDecoding, createSegmentDecoder } from './segment-decoder.js';

/**
 * Creates the fastest patcher that the runtime supports.
 *
 * @returns the patcher of `createFastPatcher`, or the plain patcher if WebAssembly or its SIMD instructions
 *   are missing or forbidden by a content security policy
 *
 * @example
 * const store = await openModel('models/v1', { writable: true });
 * await applyPayload(store, await readPayload('v2.ndiff'), { patcher: createPatcher() });
 */
export function createPatcher(): Patcher {
  try {
    return createFastPatcher();
  } catch {
    // Runtimes throw various errors for unsupported modules; all mean falling back to the plain patcher.
    return plainPatcher;
  }
}

type Range = Parameters<Patcher['patch']>[2];

/**
 * Creates a patcher that processes four weights at a time in WebAssembly, with the same bits as `patchRange`.
 *
 * Every array that it allocates is in a separate WebAssembly memory, which never grows. Other arrays are
 * copied through an array of 1 MiB, unless only sparse ops touch them. If no memory can be allocated, and for
 * hash ops with too many buckets (`MAX_TABLE_BUCKETS`, `MAX_BYTE_BUCKETS`), `patchRange` is used.
 *
 * @throws ReferenceError, WebAssembly.CompileError or another error of the runtime if WebAssembly or SIMD is
 *   unsupported or forbidden; `createPatcher` falls back to the plain patcher
 */
export function createFastPatcher(): Patcher {
  const module = compileKernels();
  const decoding = compileDecoding();
  const arenas = new WeakMap<ArrayBufferLike, Arena>();
  let scratch: Arena | undefined;
  return {
    createSegmentDecoder: () => createSegmentDecoder(decoding),
    allocate(byteLength) {
      const arena = Arena.create(module, byteLength);
      if (arena === undefined) return new Uint8Array(byteLength);
      arenas.set(arena.data.buffer, arena);
      return arena.data;
    },
    patch(ops, info, range) {
      const touching = ops.filter((op) => touches(op, info.name));
      const arena = arenas.get(range.bytes.buffer);
      if (arena !== undefined) {
        patchArena(arena, touching, { info, ...range });
      } else if (touching.every((op) => op.kind === 'sparse' || !canPatch(op, info))) {
        patchRange(touching, info, range);
      } else {
        scratch ??= Arena.create(module, CHUNK_BYTES);
        if (scratch === undefined) patchRange(touching, info, range);
        else patchThrough(scratch, touching, { info, ...range });
      }
    },
  };
}

/** Patches an array outside the arena by copying one chunk at a time. */
function patchThrough(arena: Arena, ops: readonly Op[], target: Range & { info: TensorInfo }): void {
  const { info, startElement, bytes } = target;
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    const piece = bytes.subarray(start, start + CHUNK_BYTES);
    const copy = arena.data.subarray(0, piece.length);
    copy.set(piece);
    const first = startElement + start / wordBytes(info);
    patchArena(arena, ops, { info, startElement: first, bytes: copy });
    piece.set(copy);
  }
}
