import {
  byteLength,
  CHUNK_BYTES,
  canonicalOrder,
  DTYPES,
  elementCount,
  type TensorInfo,
  type WeightStore,
} from '../model/index.js';
import { type OpenPayload, patchRange } from '../payload/index.js';
import type { Candidate, Layer } from '../report/index.js';
import { ElementTally } from './tally-elements.js';
import { TracedRecord } from './traced-record.js';

/** What a payload does to each tensor, and what it takes for that. */
export type PayloadFacts = Pick<Candidate, 'kinds' | 'layers' | 'sharedBytes'>;

/**
 * Walks through a base and a payload side by side, a chunk at a time.
 *
 * @param base a store that the payload fits
 * @param payload the payload, and the bytes of its file
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`; whatever the store throws; the signal's reason
 */
export async function measureLayers(
  base: WeightStore,
  payload: OpenPayload & { readonly payloadBytes: number },
  signal?: AbortSignal,
): Promise<PayloadFacts> {
  const records = payload.records.map((_, place) => new TracedRecord(payload, place, base.tensors));
  const rooms = { before: new Uint8Array(CHUNK_BYTES), after: new Uint8Array(CHUNK_BYTES) };
  const layers = new Map<string, Layer>();
  for (const info of canonicalOrder(base.tensors)) {
    const tally = new ElementTally(info, base.quantization?.get(info.name));
    for (const { byteOffset, length } of chunksOf(info)) {
      signal?.throwIfAborted();
      const [before, after] = [rooms.before.subarray(0, length), rooms.after.subarray(0, length)];
      await base.readInto(info.name, byteOffset, before);
      after.set(before);
      const size = DTYPES[info.dtype].bytes;
      const start = byteOffset / size;
      const ops = records.flatMap((record) => record.read(info, { start, end: start + length / size }));
      patchRange(ops, info, { startElement: start, bytes: after });
      tally.add({ before, after, start });
    }
    const bytes = records.reduce((sum, record) => sum + record.takeBytes(info), 0);
    layers.set(info.name, { ...describe(info), ...tally.result(), bytes });
  }
  const ordered = base.tensors.map(({ name }) => layers.get(name) as Layer);
  const own = ordered.reduce((sum, { bytes }) => sum + bytes, 0);
  return { kinds: kindsOf(payload), layers: ordered, sharedBytes: payload.payloadBytes - own };
}

function describe(info: TensorInfo): Pick<Layer, 'tensor' | 'dtype' | 'shape' | 'weights'> {
  return { tensor: info.name, dtype: info.dtype, shape: [...info.shape], weights: elementCount(info) };
}

/** @returns where a tensor's chunks are; one empty chunk for a tensor without elements */
function chunksOf(info: TensorInfo): { byteOffset: number; length: number }[] {
  const total = byteLength(info);
  return Array.from({ length: Math.max(1, Math.ceil(total / CHUNK_BYTES)) }, (_, i) => {
    const byteOffset = i * CHUNK_BYTES;
    return { byteOffset, length: Math.min(CHUNK_BYTES, total - byteOffset) };
  });
}

/** @returns the kinds of a payload's records, the one that takes most bytes first */
function kindsOf({ records }: OpenPayload): string[] {
  const sizes = new Map<string, number>();
  for (const { kind, bytes } of records) sizes.set(kind, (sizes.get(kind) ?? 0) + bytes.length);
  return [...sizes].sort(([, a], [, b]) => b - a).map(([kind]) => kind);
}
