import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress } from 'node:zlib';

/** Brotli's quality: higher ones take ten times as long for a percent. */
const QUALITY = 9;

/** @returns the bytes that pieces take, one behind the other, when they are compressed with Brotli */
export async function compressedBytes(pieces: readonly Uint8Array[]): Promise<number> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
  };
  let bytes = 0;
  await pipeline(Readable.from(pieces), createBrotliCompress({ params }), async (compressed) => {
    for await (const chunk of compressed) bytes += (chunk as Uint8Array).length;
  });
  return bytes;
}
