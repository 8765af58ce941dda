import { patchFour, patchOne, withSigns } from './patch-step';
import { hashStart, signBits, xxh32x4 } from './xxh32';

/**
 * Where in a table of four-byte values the first bucket of each hash stands, in bytes: four times
 * `floor((hash >> 1) * buckets / 2^31)`. The product is taken with four times the buckets and without the shift; its
 * upper half then lacks nothing but the clearing of two bits.
 */
@inline
function tableOffsets(hashes: v128, fourBuckets: v128): v128 {
  const bits = v128.and(hashes, i32x4.splat(~1));
  const low = i64x2.extmul_low_i32x4_u(bits, fourBuckets);
  const high = i64x2.extmul_high_i32x4_u(bits, fourBuckets);
  return v128.and(v128.shuffle<i32>(low, high, 1, 3, 5, 7), i32x4.splat(~3));
}

/** Adds `count` neighbouring values of the table to as many elements. */
@inline
function patchRun<T>(data: usize, values: usize, count: u32, signs: v128): void {
  const end = values + ((<usize>count) << 2);
  for (; values + 16 <= end; values += 16, data += 4 * sizeof<T>()) {
    patchFour<T>(data, withSigns<T>(v128.load(values), signs));
  }
  for (; values < end; values += 4, data += sizeof<T>()) {
    patchOne<T>(data, withSigns<T>(v128.load_zero<u32>(values), signs));
  }
}

/**
 * Adds to each element the value of its bucket with the sign of its block.
 *
 * @param data the first element
 * @param count elements
 * @param index number of the block in which the first element lies
 * @param skipped elements of that block before the first one
 * @param block elements of a block
 * @param seed the tensor's seed
 * @param buckets number of buckets
 * @param table the buckets' values, four bytes each: f32, or i32 for integers; behind the last follow the first ones
 *   anew, as many as a block takes beyond its first
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
): void {
  const start = hashStart(seed);
  const fourBuckets = i32x4.splat(buckets << 2);
  let keys = i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3));
  if (block == 1) {
    patchSingles<T>(data, count, keys, start, fourBuckets, table);
    return;
  }
  while (count > 0) {
    const hashes = xxh32x4(keys, start);
    let offsets = tableOffsets(hashes, fourBuckets);
    let signs = signBits(hashes);
    for (let lane = 0; lane < 4 && count > 0; lane++) {
      const run = min(block - skipped, count);
      const values = table + <usize><u32>i32x4.extract_lane(offsets, 0) + ((<usize>skipped) << 2);
      patchRun<T>(data, values, run, v128.shuffle<i32>(signs, signs, 0, 0, 0, 0));
      data += (<usize>run) * sizeof<T>();
      count -= run;
      skipped = 0;
      offsets = v128.shuffle<i32>(offsets, offsets, 1, 2, 3, 0);
      signs = v128.shuffle<i32>(signs, signs, 1, 2, 3, 0);
    }
    keys = i32x4.add(keys, i32x4.splat(4));
  }
}

/** Blocks of one element each: four gathered values at a time. */
@inline
function patchSingles<T>(
  data: usize,
  count: u32,
  keys: v128,
  start: v128,
  fourBuckets: v128,
  table: usize,
): void {
  const end = data + (<usize>count) * sizeof<T>();
  const tables = i32x4.splat(<i32>table);
  for (; data < end; data += 4 * sizeof<T>()) {
    const hashes = xxh32x4(keys, start);
    const at = i32x4.add(tableOffsets(hashes, fourBuckets), tables);
    let values = v128.load_zero<u32>(<usize>i32x4.extract_lane(at, 0));
    values = v128.load_lane<u32>(<usize>i32x4.extract_lane(at, 1), values, 1);
    values = v128.load_lane<u32>(<usize>i32x4.extract_lane(at, 2), values, 2);
    values = v128.load_lane<u32>(<usize>i32x4.extract_lane(at, 3), values, 3);
    values = withSigns<T>(values, signBits(hashes));
    if (data + 4 * sizeof<T>() <= end) patchFour<T>(data, values);
    else {
      for (; data < end; data += sizeof<T>()) {
        patchOne<T>(data, values);
        values = v128.shuffle<i32>(values, values, 1, 2, 3, 0);
      }
    }
    keys = i32x4.add(keys, i32x4.splat(4));
  }
}
