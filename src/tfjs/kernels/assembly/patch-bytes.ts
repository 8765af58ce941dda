import { patchEight, patchOne } from './patch-step';
import { hashStart, xxh32x4 } from './xxh32';

/** All bits of the hashes except the lowest, which encodes the sign. */
@inline
function placeBits(hashes: v128): v128 {
  return v128.and(hashes, i32x4.splat(~1));
}

/** Offset of the first bucket of each hash: `floor((hash >> 1) * buckets / 2^31)` bytes into the table. */
@inline
function addresses(bits: v128, buckets: v128, table: v128): v128 {
  const low = i64x2.extmul_low_i32x4_u(bits, buckets);
  const high = i64x2.extmul_high_i32x4_u(bits, buckets);
  return i32x4.add(v128.shuffle<i32>(low, high, 1, 3, 5, 7), table);
}

/**
 * Adds the value of its bucket to each float32 with the sign of its block, from a table of bytes: four times
 * as many buckets fit into a cache as with floats.
 *
 * Buckets are negated if the sign is positive, and multiplied by the negative scale: that makes every zero a
 * -0, and adding -0 does not change any number.
 *
 * @param data the first element
 * @param count elements
 * @param index number of the block that contains the first element
 * @param skipped elements of that block before the first one
 * @param block elements of a block: 1 or a multiple of 8
 * @param seed the tensor's seed
 * @param buckets number of buckets
 * @param table the buckets, i8 each, followed by copies of the first ones, as many as a block has elements
 *   beyond its first
 * @param scale factor of the buckets
 */
export function patchBytes(
  data: usize,
  count: u32,
  index: u32,
  skipped: u32,
  block: u32,
  seed: u32,
  buckets: u32,
  table: usize,
  scale: f32,
): void {
  const start = hashStart(seed);
  const counts = i32x4.splat(buckets);
  const tables = i32x4.splat(<i32>table);
  const scales = f32x4.splat(-scale);
  const end = data + ((<usize>count) << 2);
  const bytes = (<usize>block) << 2;
  let keys = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  if (skipped > 0) {
    const last = min(end, data + bytes - ((<usize>skipped) << 2));
    patchBlock(data, last, xxh32x4(keys, start), counts, tables, skipped, scale);
    keys = i32x4.add(keys, i32x4.splat(1));
    data = last;
  }
  if (block == 1) {
    for (; data + 32 <= end; data += 32) {
      const low = gather(xxh32x4(keys, start), counts, tables, scales);
      keys = i32x4.add(keys, i32x4.splat(4));
      const high = gather(xxh32x4(keys, start), counts, tables, scales);
      keys = i32x4.add(keys, i32x4.splat(4));
      patchEight(data, low, high);
    }
  } else {
    for (; data + 4 * bytes <= end; data += 4 * bytes) {
      const hashes = xxh32x4(keys, start);
      keys = i32x4.add(keys, i32x4.splat(4));
      const bits = placeBits(hashes);
      const at = addresses(bits, counts, tables);
      const negated = i32x4.eq(hashes, bits);
      const low = i64x2.extract_lane(at, 0);
      const high = i64x2.extract_lane(at, 1);
      patchLong(data, <usize>low, bytes, v128.shuffle<i32>(negated, negated, 0, 0, 0, 0), scales);
      patchLong(data + bytes, <usize>(low >>> 32), bytes, v128.shuffle<i32>(negated, negated, 1, 1, 1, 1), scales);
      patchLong(data + 2 * bytes, <usize>high, bytes, v128.shuffle<i32>(negated, negated, 2, 2, 2, 2), scales);
      patchLong(data + 3 * bytes, <usize>(high >>> 32), bytes, v128.shuffle<i32>(negated, negated, 3, 3, 3, 3), scales);
    }
  }
  while (data < end) {
    const last = min(end, data + bytes);
    patchBlock(data, last, xxh32x4(keys, start), counts, tables, 0, scale);
    keys = i32x4.add(keys, i32x4.splat(1));
    data = last;
  }
}

/** Elements of one block, one at a time; its hash is in the first lane. */
function patchBlock(
  data: usize,
  end: usize,
  hashes: v128,
  counts: v128,
  tables: v128,
  skipped: u32,
  scale: f32,
): void {
  let at = <usize>i32x4.extract_lane(addresses(placeBits(hashes), counts, tables), 0) + skipped;
  const signed = i32x4.extract_lane(hashes, 0) & 1 ? -scale : scale;
  for (; data < end; data += 4, at++) patchOne<f32>(data, f32x4.splat(<f32>load<i8>(at) * signed));
}

/** The values of four blocks of one element each. */
@inline
function gather(hashes: v128, counts: v128, tables: v128, scales: v128): v128 {
  const bits = placeBits(hashes);
  const at = addresses(bits, counts, tables);
  const low = i64x2.extract_lane(at, 0);
  const high = i64x2.extract_lane(at, 1);
  let values = v128.load_lane<u8>(<usize>low, i32x4.splat(0), 3);
  values = v128.load_lane<u8>(<usize>(low >>> 32), values, 7);
  values = v128.load_lane<u8>(<usize>high, values, 11);
  values = v128.load_lane<u8>(<usize>(high >>> 32), values, 15);
  const negated = i32x4.eq(hashes, bits);
  values = i32x4.sub(v128.xor(i32x4.shr_s(values, 24), negated), negated);
  return f32x4.mul(f32x4.convert_i32x4_s(values), scales);
}

/** Adds to float32 in runs of a multiple of 32 bytes. */
@inline
function patchLong(data: usize, at: usize, bytes: usize, negated: v128, scales: v128): void {
  const end = data + bytes;
  do {
    const values = i16x8.sub(v128.xor(v128.load_ext<i8>(at), negated), negated);
    patchEight(
      data,
      f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(values)), scales),
      f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(values)), scales),
    );
    data += 32;
    at += 8;
  } while (data < end);
}
