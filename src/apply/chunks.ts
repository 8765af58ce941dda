import {
  byteLength,
  CHUNK_BYTES,
  canonicalOrder,
  DTYPES,
  type TensorInfo,
  type WeightStore,
} from '../model/index.js';
import { type Diff, type Patcher, plainPatcher, tensorsOf } from '../payload/index.js';

/** A run of a tensor's bytes before and after a diff; both arrays are valid until the next chunk. */
export interface Chunk {
  readonly info: TensorInfo;
  /** Bytes before the chunk in its tensor: a multiple of `CHUNK_BYTES`. */
  readonly byteOffset: number;
  readonly before: Uint8Array;
  /** The same array as `before` where no op touches the tensor. */
  readonly after: Uint8Array;
  /** Whether this is the tensor's last chunk. */
  readonly isLast: boolean;
}

/** Which tensors to walk, how to stop, and what patches them. */
export interface ChunkOptions {
  /** Passes over the tensors that no op touches. */
  readonly touchedOnly?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly patcher?: Patcher | undefined;
}

/**
 * Walks a model in canonical order, a chunk at a time, computing in memory what a diff makes of each. A tensor without
 * elements gives one empty chunk. Holds two chunks, however large the model.
 */
export async function* borrowChunks(
  store: WeightStore,
  diff: Diff,
  options: ChunkOptions = {},
): AsyncGenerator<Chunk> {
  const touched = new Set(diff.ops.flatMap(tensorsOf));
  const { patcher = plainPatcher } = options;
  const before = new Uint8Array(CHUNK_BYTES);
  const after = patcher.allocate(CHUNK_BYTES);
  for (const info of canonicalOrder(store.tensors)) {
    const isTouched = touched.has(info.name);
    if (options.touchedOnly === true && !isTouched) continue;
    const total = byteLength(info);
    let byteOffset = 0;
    do {
      options.signal?.throwIfAborted();
      const length = Math.min(CHUNK_BYTES, total - byteOffset);
      const original = before.subarray(0, length);
      await store.readInto(info.name, byteOffset, original);
      const patched = isTouched ? after.subarray(0, length) : original;
      if (isTouched) {
        patched.set(original);
        const startElement = byteOffset / DTYPES[info.dtype].bytes;
        patcher.patch(diff.ops, info, { startElement, bytes: patched });
      }
      yield { info, byteOffset, before: original, after: patched, isLast: byteOffset + length === total };
      byteOffset += length;
    } while (byteOffset < total);
  }
}

/** Bytes compared and written as one: a page of common file systems. */
const PAGE_BYTES = 4_096;

/** @returns the runs of pages in which the diff changed a byte, as offsets within the chunk */
export function changedRuns(chunk: Chunk): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  if (chunk.after === chunk.before) return runs;
  for (let start = 0; start < chunk.after.length; start += PAGE_BYTES) {
    const end = Math.min(start + PAGE_BYTES, chunk.after.length);
    if (!differs(chunk, start, end)) continue;
    const last = runs.at(-1);
    if (last?.end === start) last.end = end;
    else runs.push({ start, end });
  }
  return runs;
}

function differs(chunk: Chunk, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (chunk.before[i] !== chunk.after[i]) return true;
  return false;
}
