import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createBrotliCompress } from 'node:zlib';
import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, totalBytes } from '../model/tensor.js';

/** Brotli's quality: higher ones take ten times as long for a percent. */
const QUALITY = 9;

/**
 * Bits of its window for models of which only a part is compressed: larger ones find less than half a percent more in weights, and from 17
 * on Brotli keeps tables of 32 MiB.
 */
const ESTIMATE_WINDOW_BITS = 16;

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
  const compressor = createBrotliCompress({ params });
  let [taken, bytes] = [0, 0];
  compressor.on('data', (compressed: Uint8Array) => {
    bytes += compressed.length;
  });
  const write = promisify<Uint8Array, void>(compressor.write.bind(compressor));
  try {
    for await (const chunk of everyChunk(store, step)) {
      signal?.throwIfAborted();
      taken += chunk.length;
      await write(chunk);
    }
    await finished(compressor.end());
  } finally {
    compressor.destroy();
  }
  return { bytes: isEstimate ? Math.round((bytes / taken) * total) : bytes, isEstimate };
}

/** @returns of all chunks one in so many, each valid until the next */
async function* everyChunk({ tensors, ...store }: WeightStore, step: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  let number = 0;
  for (const info of tensors) {
    const total = byteLength(info);
    for (let start = 0; start < total; start += CHUNK_BYTES) {
      if (number++ % step !== 0) continue;
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, total - start));
      await store.readInto(info.name, start, chunk);
      yield chunk;
    }
  }
}
