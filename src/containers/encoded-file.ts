import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, type TensorInfo } from '../model/tensor.js';

/** A file that is made from a model's tensors. */
export interface EncodedFile {
  /** Length of the content. */
  readonly bytes: number;
  /** The content; each piece is valid until the next one is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Reads a byte range of a tensor in pieces of at most 1 MiB; each is valid until the next one. */
export async function* readPieces(
  store: WeightStore,
  info: TensorInfo,
  { from = 0, to = byteLength(info) }: { readonly from?: number; readonly to?: number } = {},
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(0, to - from)));
  for (let at = from; at < to; at += buffer.length) {
    const piece = buffer.subarray(0, to - at);
    await store.readInto(info.name, at, piece);
    yield piece;
  }
}
