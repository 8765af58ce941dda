/**
 * Computes XXH32 of a 32-bit key in little-endian bytes.
 *
 * Same result as `h32Raw` of `xxhash-wasm` for these four bytes, without a WebAssembly call per key.
 *
 * Source: the xxHash fast digest algorithm, specification 0.1.1, inputs of less than 16 bytes.
 *
 * @param key 0 to 2^32 - 1
 * @param seed 0 to 2^32 - 1
 * @returns 0 to 2^32 - 1
 */
export function xxh32(key: number, seed: number): number {
  let hash = (seed + 0x165667b1 + 4 + Math.imul(key, 0xc2b2ae3d)) | 0;
  hash = Math.imul((hash << 17) | (hash >>> 15), 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** @returns the seed of a tensor's placement, from the op's seed and the tensor's index in the op */
export function tensorSeed(seed: number, ordinal: number): number {
  return xxh32(ordinal, seed);
}

/**
 * Chooses the sign and the first bucket of a block.
 *
 * The hash's lowest bit is the sign of the block (1: negative); the upper 31 bits choose the first bucket by
 * multiplication: `floor(bits * bucketCount / 2^31)`, done in two halves so that every step is exact in a
 * double, or in 32 bits for few buckets.
 *
 * @param index the block's index in its tensor
 * @param seed the tensor's seed
 * @param bucketCount 1 to 2^26
 * @returns `2 * first bucket + sign bit`; the block's weights use consecutive buckets, wrapping at the end
 */
export function placeBlock(index: number, seed: number, bucketCount: number): number {
  const hash = xxh32(index, seed);
  const high = hash >>> 17;
  const low = (hash >>> 1) & 0xffff;
  if (bucketCount <= 0x10000) {
    const first = (Math.imul(high, bucketCount) + (Math.imul(low, bucketCount) >>> 16)) >>> 15;
    return 2 * first + (hash & 1);
  }
  const first = Math.floor((high * bucketCount + Math.floor((low * bucketCount) / 0x10000)) / 0x8000);
  return 2 * first + (hash & 1);
}
