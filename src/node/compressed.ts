import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress } from 'node:zlib';
import { byteLength, CHUNK_BYTES, totalBytes, type WeightStore } from '../model/index.js';

/** Brotli's quality: higher ones take ten times as long for a percent. */
const QUALITY = 9;

/** Bits of its window for models of which only a part is compressed: larger ones take more memory, and find little in weights. */
const ESTIMATE_WINDOW_BITS = 18;

/** Bytes up to which a model is compressed whole; of larger ones as many are, from everywhere. */
const WHOLE_BYTES = 2 ** 25;

/** What a model takes under Brotli. */
export interface CompressedSize {
  readonly bytes: number;
  /** Whether it was told from a part of the model. */
  readonly isEstimate: boolean;
}

/**
 * Compresses a model's tensors with Brotli, one behind the other, to see what they take.
 *
 * @throws whatever the store throws; the signal's reason
 */
export async function compressedSize(store: WeightStore, signal?: AbortSignal): Promise<CompressedSize> {
  const total = totalBytes(store.tensors);
  const step = Math.max(1, Math.ceil(total / WHOLE_BYTES));
  const isEstimate = step > 1;
  const windowBits = isEstimate ? ESTIMATE_WINDOW_BITS : constants.BROTLI_MAX_WINDOW_BITS;
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: windowBits,
  };
  let [taken, bytes] = [0, 0];
  const count = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      taken += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(count(everyChunk(store, step)));
  await pipeline(source, createBrotliCompress({ params }), async (compressed) => {
    for await (const chunk of compressed) bytes += (chunk as Uint8Array).length;
  });
  return { bytes: isEstimate ? Math.round((bytes / taken) * total) : bytes, isEstimate };
}

/** @returns of all chunks one in so many, each in an array of its own */
async function* everyChunk({ tensors, ...store }: WeightStore, step: number): AsyncGenerator<Uint8Array> {
  let number = 0;
  for (const info of tensors) {
    const total = byteLength(info);
    for (let start = 0; start < total; start += CHUNK_BYTES) {
      if (number++ % step !== 0) continue;
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, total - start));
      await store.readInto(info.name, start, chunk);
      yield chunk;
    }
  }
}
