import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createBrotliCompress } from 'node:zlib';
import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, totalBytes } from '../model/tensor.js';

/** Brotli quality; higher ones take ten times as long to save one percent. */
const QUALITY = 9;

/**
 * Bits of Brotli's window for estimates. Larger windows save less than half a percent on weights, and from 17
 * on Brotli allocates tables of 32 MiB.
 */
const ESTIMATE_WINDOW_BITS = 16;

/** Bytes up to which a model is compressed completely; larger models are sampled at about this size. */
const WHOLE_BYTES = 2 ** 25;

/** The size of a model compressed with Brotli. */
export interface CompressedSize {
  readonly bytes: number;
  /** Whether the size is extrapolated from a sample. */
  readonly isEstimate: boolean;
}

/**
 * Computes the size of a model's concatenated tensors under Brotli.
 *
 * @throws any error of the store; the signal's reason
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
  let sampled = 0;
  let bytes = 0;
  compressor.on('data', (compressed: Uint8Array) => {
    bytes += compressed.length;
  });
  const write = promisify<Uint8Array, void>(compressor.write.bind(compressor));
  try {
    for await (const chunk of sampleChunks(store, step)) {
      signal?.throwIfAborted();
      sampled += chunk.length;
      await write(chunk);
    }
    await finished(compressor.end());
  } finally {
    compressor.destroy();
  }
  return { bytes: isEstimate ? Math.round((bytes / sampled) * total) : bytes, isEstimate };
}

/** Yields one of every `step` chunks, each valid until the next. */
async function* sampleChunks({ tensors, ...store }: WeightStore, step: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  let index = 0;
  for (const info of tensors) {
    const total = byteLength(info);
    for (let start = 0; start < total; start += CHUNK_BYTES) {
      if (index++ % step !== 0) continue;
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, total - start));
      await store.readInto(info.name, start, chunk);
      yield chunk;
    }
  }
}
