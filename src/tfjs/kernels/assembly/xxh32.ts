/**
 * XXH32 of four 32-bit keys, each as four little-endian bytes.
 *
 * Source: the xxHash fast digest algorithm, specification 0.1.1, inputs of less than 16 bytes.
 *
 * @param keys four u32
 * @param start `hashStart(seed)`
 */
@inline
export function xxh32x4(keys: v128, start: v128): v128 {
  let hash = i32x4.add(start, i32x4.mul(keys, i32x4.splat(0xc2b2ae3d)));
  hash = i32x4.mul(v128.or(i32x4.shl(hash, 17), i32x4.shr_u(hash, 15)), i32x4.splat(0x27d4eb2f));
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 15)), i32x4.splat(0x85ebca77));
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 13)), i32x4.splat(0xc2b2ae3d));
  return v128.xor(hash, i32x4.shr_u(hash, 16));
}

/** The initial state of XXH32 for a four-byte input. */
@inline
export function hashStart(seed: u32): v128 {
  return i32x4.splat(seed + 0x165667b1 + 4);
}

/**
 * The first bucket of each hash: `floor((hash >> 1) * buckets / 2^31)`, by exact 64-bit products.
 *
 * @param hashes four u32
 * @param buckets the number of buckets, in each lane: 1 to 2^26
 */
@inline
export function firstBuckets(hashes: v128, buckets: v128): v128 {
  const bits = i32x4.shr_u(hashes, 1);
  const low = i64x2.shr_u(i64x2.extmul_low_i32x4_u(bits, buckets), 31);
  const high = i64x2.shr_u(i64x2.extmul_high_i32x4_u(bits, buckets), 31);
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

/** The lowest bit of each hash as the sign bit of a float. */
@inline
export function signBits(hashes: v128): v128 {
  return i32x4.shl(hashes, 31);
}
