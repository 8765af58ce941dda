import { CHUNK_BYTES } from '../model/limits.js';
import { PAGE_BYTES } from '../model/planned-writes.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, canonicalOrder, type TensorInfo, wordBytes } from '../model/tensor.js';
import { Yielder } from '../model/yielder.js';
import { DiffReader } from '../payload/decode.js';
import { PlainSegmentDecoder, type SegmentDecoder } from '../payload/delta/decoder.js';
import type { Op } from '../payload/diff.js';
import type { OpenPayload } from '../payload/open-payload.js';
import { type Patcher, plainPatcher } from '../payload/patch.js';

/** A range of a tensor's bytes before and after a diff; the arrays are valid until the visitor is done. */
export interface Chunk {
  readonly info: TensorInfo;
  /** Offset of the chunk in its tensor: a multiple of `CHUNK_BYTES`. */
  readonly byteOffset: number;
  readonly before: Uint8Array;
  /** The kinds of the ops that touch the tensor, in order. */
  readonly kinds: readonly Op['kind'][];
  /** The same array as `before` if no op touches the tensor. */
  readonly after: Uint8Array;
  /** Whether this is the tensor's last chunk. */
  readonly isLast: boolean;
}

/** Reusable arrays for a chunk before and after the diff. */
export interface ChunkBuffers {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** @param patcher the patcher that will use the buffers */
export function createChunkBuffers(patcher: Patcher = plainPatcher): ChunkBuffers {
  return { before: new Uint8Array(CHUNK_BYTES), after: patcher.allocate(CHUNK_BYTES) };
}

/** Elements patched between two chances to yield. */
const RUN_ELEMENTS = 2 ** 13;

/** How chunks are made. */
export interface ChunkOptions {
  /** Skips tensors that no op touches; defaults to false. */
  readonly touchedOnly?: boolean;
  readonly signal?: AbortSignal;
  readonly patcher?: Patcher | undefined;
  /** Defaults to new buffers. */
  readonly buffers?: ChunkBuffers;
  /**
   * Receives what is wrong at the end of a segment of a delta record, which is read on: elements of another
   * base cause it too. By default it is thrown.
   */
  readonly onFault?: ((fault: unknown) => void) | undefined;
}

/** @returns a decoder of segments that passes on what is wrong at their ends */
function deferFaults(decoder: SegmentDecoder, onFault: (fault: unknown) => void): SegmentDecoder {
  return {
    begin: (segment) => decoder.begin(segment),
    decode: (elements) => decoder.decode(elements),
    finish() {
      try {
        decoder.finish();
      } catch (error) {
        onFault(error);
      }
    },
  };
}

/** A model and the payload that is applied to it in memory. */
export interface PatchedModel extends ChunkOptions {
  readonly store: WeightStore;
  readonly payload: OpenPayload;
}

/** Something to do for each of several pieces, in order; the next one waits for it. */
export type Visit<T> = (piece: T) => Promise<void> | void;

/**
 * Visits a model in canonical order, one chunk at a time, and applies a payload to each chunk in memory.
 *
 * The payload is decoded incrementally, with yields to the event loop on the way. A tensor without elements
 * has one empty chunk. Holds two chunks, the ops of a run and the buckets in memory, however large the model
 * is. It takes a visitor since Hermes compiles no async generators.
 *
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`; any error of the store and of the visitor; the
 *   signal's reason, also within a chunk
 */
export async function eachChunk(options: PatchedModel, visit: Visit<Chunk>): Promise<void> {
  const { store, payload, patcher = plainPatcher, onFault } = options;
  const createDecoder = patcher.createSegmentDecoder ?? (() => new PlainSegmentDecoder());
  const createDeferring = onFault && (() => deferFaults(createDecoder(), onFault));
  const reader = new DiffReader(payload, store.tensors, createDeferring ?? createDecoder);
  const { before, after } = options.buffers ?? createChunkBuffers(patcher);
  const yielder = new Yielder(options.signal);
  const tick = () => yielder.tick();
  for (const info of canonicalOrder(store.tensors)) {
    const isTouched = reader.touched.has(info.name);
    if (options.touchedOnly === true && !isTouched) continue;
    if (isTouched) await reader.prepare(info, tick);
    const total = byteLength(info);
    let byteOffset = 0;
    do {
      await tick();
      const length = Math.min(CHUNK_BYTES, total - byteOffset);
      const original = before.subarray(0, length);
      await store.readInto(info.name, byteOffset, original);
      let kinds: readonly Op['kind'][] = [];
      const patched = isTouched ? after.subarray(0, length) : original;
      if (isTouched) {
        patched.set(original);
        kinds = await patchRuns({ reader, patcher, tick }, info, { byteOffset, bytes: patched });
      }
      const isLast = byteOffset + length === total;
      await visit({ info, byteOffset, kinds, before: original, after: patched, isLast });
      byteOffset += length;
    } while (byteOffset < total);
  }
}

/** What turns a run of elements into that of the next model. */
interface RunPatcher {
  readonly reader: DiffReader;
  readonly patcher: Patcher;
  readonly tick: () => Promise<void>;
}

/** Patches a part of a tensor in place, run by run. @returns the kinds of the ops, in order */
async function patchRuns(
  { reader, patcher, tick }: RunPatcher,
  info: TensorInfo,
  { byteOffset, bytes }: { byteOffset: number; bytes: Uint8Array },
): Promise<readonly Op['kind'][]> {
  const size = wordBytes(info);
  const [first, count] = [byteOffset / size, bytes.length / size];
  let kinds: readonly Op['kind'][] = [];
  let done = 0;
  do {
    const end = Math.min(done + RUN_ELEMENTS, count);
    const run = bytes.subarray(done * size, end * size);
    const ops = reader.read(info, { start: first + done, end: first + end, base: run });
    patcher.patch(ops, info, { startElement: first + done, bytes: run });
    kinds = ops.map((op) => op.kind);
    done = end;
    await tick();
  } while (done < count);
  return kinds;
}

/** @returns the runs of pages that the diff changes, as offsets within the chunk */
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
