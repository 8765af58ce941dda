import { CHUNK_BYTES } from '../../model/limits.js';
import { DTYPES, type TensorInfo } from '../../model/tensor.js';
import { type Op, tensorsOf } from '../../payload/diff.js';
import { type Patcher, patchRange, plainPatcher } from '../../payload/patch.js';
import { Arena } from './arena.js';
import { compileKernels } from './kernels.js';
import { canPatch, patchArena } from './patch-arena.js';

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

type Range = Parameters<Patcher['patch']>[2];

/**
 * Makes a patcher whose arithmetic runs in WebAssembly, four weights at a time, and gives the bits of `patchRange`.
 *
 * Every array that it allocates lies in a wasm memory of its own, which never grows. Other arrays are copied through
 * one of 1 MiB, unless only sparse ops touch them. Where no wasm memory is to be had, and for hash ops with more
 * buckets than there is room for (`MAX_TABLE_BUCKETS`, `MAX_BYTE_BUCKETS`), `patchRange` does the work.
 *
 * @returns the patcher
 * @throws ReferenceError, WebAssembly.CompileError or another error of the runtime where it has no WebAssembly, or none
 *   with SIMD, or must not use it: `createPatcher` falls back on the plain patcher then
 */
export function createFastPatcher(): Patcher {
  const module = compileKernels();
  const arenas = new WeakMap<ArrayBufferLike, Arena>();
  let scratch: Arena | undefined;
  return {
    allocate(byteLength) {
      const arena = Arena.create(module, byteLength);
      if (arena === undefined) return new Uint8Array(byteLength);
      arenas.set(arena.data.buffer, arena);
      return arena.data;
    },
    patch(ops, info, range) {
      const touching = ops.filter((op) => tensorsOf(op).includes(info.name));
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

/** Patches an array that lies elsewhere, a chunk at a time. */
function patchThrough(arena: Arena, ops: readonly Op[], target: Range & { info: TensorInfo }): void {
  const { info, startElement, bytes } = target;
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    const piece = bytes.subarray(start, start + CHUNK_BYTES);
    const copy = arena.data.subarray(0, piece.length);
    copy.set(piece);
    const first = startElement + start / DTYPES[info.dtype].bytes;
    patchArena(arena, ops, { info, startElement: first, bytes: copy });
    piece.set(copy);
  }
}
