import { patchEight, patchFour, patchOne } from './patch-step';
import { hashStart, xxh32x4 } from './xxh32';

/**
 * Offset of the first bucket of each hash: four times `floor((hash >> 1) * buckets / 2^31)` bytes into the
 * table, or into the following one if the lowest bit of the hash is set.
 *
 * The product is computed with four times the buckets and without the shift, so that its upper half only
 * needs two bits cleared.
 */
@inline
function addresses(hashes: v128, fourBuckets: v128, table: v128, tableBytes: v128): v128 {
  const bits = v128.and(hashes, i32x4.splat(~1));
  const low = i64x2.extmul_low_i32x4_u(bits, fourBuckets);
  const high = i64x2.extmul_high_i32x4_u(bits, fourBuckets);
  const offsets = v128.and(v128.shuffle<i32>(low, high, 1, 3, 5, 7), i32x4.splat(~3));
  return i32x4.add(i32x4.add(offsets, table), v128.andnot(tableBytes, i32x4.eq(hashes, bits)));
}

/**
 * Adds to each element the value of its bucket with the sign of its block.
 *
 * @param data the first element
 * @param count elements
 * @param index number of the block that contains the first element
 * @param skipped elements of that block before the first one
 * @param block elements of a block
 * @param seed the tensor's seed
 * @param buckets number of buckets
 * @param table the buckets' values, four bytes each: f32, all zeros negative, or i32 for integers; followed
 *   by copies of the first ones, as many as a block has elements beyond its first
 * @param tableBytes bytes of that table; it is followed by another one for the blocks with a negative sign
 */
export function patchHash<T>(
  data: usize,
  count: u32,
  index: u32,
  skipped: u32,
  block: u32,
  seed: u32,
  buckets: u32,
  table: usize,
  tableBytes: u32,
): void {
  if (isFloat<T>() && (block == 1 || (block & 7) == 0)) {
    if (skipped > 0) {
      const head = min(block - skipped, count);
      patchBlocks<T>(data, head, index, skipped, block, seed, buckets, table, tableBytes);
      data += (<usize>head) << 2;
      count -= head;
      index++;
      skipped = 0;
    }
    if (block == 1) patchSingles(data, count, index, seed, buckets, table, tableBytes);
    else patchEights(data, count, index, block, seed, buckets, table, tableBytes);
  } else patchBlocks<T>(data, count, index, skipped, block, seed, buckets, table, tableBytes);
}

/** Any blocks, one after the other. */
function patchBlocks<T>(
  data: usize,
  count: u32,
  index: u32,
  skipped: u32,
  block: u32,
  seed: u32,
  buckets: u32,
  table: usize,
  tableBytes: u32,
): void {
  const start = hashStart(seed);
  const fourBuckets = i32x4.splat(buckets << 2);
  const tables = i32x4.splat(<i32>table);
  const stride = i32x4.splat(tableBytes);
  let keys = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  while (count > 0) {
    let at = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
    for (let lane = 0; lane < 4 && count > 0; lane++) {
      const run = min(block - skipped, count);
      patchRun<T>(data, <usize>i32x4.extract_lane(at, 0) + ((<usize>skipped) << 2), run);
      data += (<usize>run) * sizeof<T>();
      count -= run;
      skipped = 0;
      at = v128.shuffle<i32>(at, at, 1, 2, 3, 0);
    }
    keys = i32x4.add(keys, i32x4.splat(4));
  }
}

/** Adds `count` neighbouring values of a table to as many elements. */
@inline
function patchRun<T>(data: usize, values: usize, count: u32): void {
  const end = values + ((<usize>count) << 2);
  for (; values + 16 <= end; values += 16, data += 4 * sizeof<T>()) patchFour<T>(data, v128.load(values));
  for (; values < end; values += 4, data += sizeof<T>()) patchOne<T>(data, v128.load_zero<u32>(values));
}

/** Blocks of one float32 each. */
function patchSingles(
  data: usize,
  count: u32,
  index: u32,
  seed: u32,
  buckets: u32,
  table: usize,
  tableBytes: u32,
): void {
  const start = hashStart(seed);
  const fourBuckets = i32x4.splat(buckets << 2);
  const tables = i32x4.splat(<i32>table);
  const stride = i32x4.splat(tableBytes);
  const end = data + ((<usize>count) << 2);
  let keys = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  // Hashing is one round ahead of gathering, so that processors can do both in parallel.
  let low = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
  keys = i32x4.add(keys, i32x4.splat(4));
  let high = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
  for (; data + 32 <= end; data += 32) {
    const first = gather(low);
    const second = gather(high);
    keys = i32x4.add(keys, i32x4.splat(4));
    low = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
    keys = i32x4.add(keys, i32x4.splat(4));
    high = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
    patchEight(data, first, second);
  }
  for (let lane = 0; data < end; lane++, data += 4) {
    if (lane == 4) low = high;
    patchOne<f32>(data, v128.load_zero<u32>(<usize>i32x4.extract_lane(low, 0)));
    low = v128.shuffle<i32>(low, low, 1, 2, 3, 0);
  }
}

/** The four values at some addresses. */
@inline
function gather(at: v128): v128 {
  const low = i64x2.extract_lane(at, 0);
  const high = i64x2.extract_lane(at, 1);
  let values = v128.load_zero<u32>(<usize>low);
  values = v128.load_lane<u32>(<usize>(low >>> 32), values, 1);
  values = v128.load_lane<u32>(<usize>high, values, 2);
  return v128.load_lane<u32>(<usize>(high >>> 32), values, 3);
}

/** Blocks of eight float32, or a multiple of eight. */
function patchEights(
  data: usize,
  count: u32,
  index: u32,
  block: u32,
  seed: u32,
  buckets: u32,
  table: usize,
  tableBytes: u32,
): void {
  const start = hashStart(seed);
  const fourBuckets = i32x4.splat(buckets << 2);
  const tables = i32x4.splat(<i32>table);
  const stride = i32x4.splat(tableBytes);
  const bytes = (<usize>block) << 2;
  const end = data + ((<usize>count) << 2);
  let keys = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  let at = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
  for (; data + 4 * bytes <= end; data += 4 * bytes) {
    const low = i64x2.extract_lane(at, 0);
    const high = i64x2.extract_lane(at, 1);
    keys = i32x4.add(keys, i32x4.splat(4));
    at = addresses(xxh32x4(keys, start), fourBuckets, tables, stride);
    patchLong(data, <usize>low, bytes);
    patchLong(data + bytes, <usize>(low >>> 32), bytes);
    patchLong(data + 2 * bytes, <usize>high, bytes);
    patchLong(data + 3 * bytes, <usize>(high >>> 32), bytes);
  }
  for (; data < end; data += bytes) {
    patchRun<f32>(data, <usize>i32x4.extract_lane(at, 0), <u32>(min(bytes, end - data) >> 2));
    at = v128.shuffle<i32>(at, at, 1, 2, 3, 0);
  }
}

/** Adds to float32 in runs of a multiple of 32 bytes. */
@inline
function patchLong(data: usize, values: usize, bytes: usize): void {
  const end = data + bytes;
  do {
    patchEight(data, v128.load(values), v128.load(values, 16));
    data += 32;
    values += 32;
  } while (data < end);
}
