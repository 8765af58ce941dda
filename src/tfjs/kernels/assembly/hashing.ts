import { loadFour } from './lanes';
import { floatAt, multiplyAdd } from './vectors';
import { firstBuckets, hashStart, signBits, xxh32x4 } from './xxh32';

/**
 * Adds the value of its block's bucket to every weight, with the block's sign.
 *
 * Source: W. Chen et al., "Compressing Neural Networks with the Hashing Trick", 2015.
 *
 * @param table the buckets, followed by copies of the first `block - 1`
 * @param isFloat whether the table has floats; otherwise bytes with signs, of which more stay in a cache
 * @param scale factor of the buckets
 * @param out, weights [count]
 */
export function addHashed(
  count: i32,
  weights: usize,
  table: usize,
  isFloat: i32,
  scale: f32,
  buckets: i32,
  block: i32,
  seed: u32,
  out: usize,
): void {
  if (isFloat) addBlocks<f32>(count, weights, table, scale, buckets, block, seed, out);
  else addBlocks<i8>(count, weights, table, scale, buckets, block, seed, out);
}

function addBlocks<T>(
  count: i32,
  weights: usize,
  table: usize,
  scale: f32,
  buckets: i32,
  block: i32,
  seed: u32,
  out: usize,
): void {
  const start = hashStart(seed);
  const limits = i32x4.splat(buckets);
  const scales = f32x4.splat(scale);
  let keys = i32x4(0, 1, 2, 3);
  for (let i = 0; i < count; i += 4 * block) {
    const hashes = xxh32x4(keys, start);
    const firsts = firstBuckets(hashes, limits);
    const signs = signBits(hashes);
    keys = i32x4.add(keys, i32x4.splat(4));
    if (block == 1 && i + 4 <= count) {
      const values = v128.xor(f32x4.mul(gather<T>(table, firsts), scales), signs);
      v128.store(floatAt(out, i), f32x4.add(v128.load(floatAt(weights, i)), values));
      continue;
    }
    for (let lane = 0; lane < 4; lane++) {
      const from = i + lane * block;
      if (from >= count) break;
      const run = bucketAt<T>(table, laneOf(firsts, lane));
      const signed = reinterpret<f32>(reinterpret<i32>(scale) ^ laneOf(signs, lane));
      addRun<T>(min(block, count - from), floatAt(weights, from), run, signed, floatAt(out, from));
    }
  }
}

@inline
function bucketAt<T>(table: usize, index: i32): usize {
  return table + <usize>index * sizeof<T>();
}

/** Four consecutive buckets as floats. */
@inline
function loadBuckets<T>(at: usize): v128 {
  return isFloat<T>() ? v128.load(at) : f32x4.convert_i32x4_s(loadFour<i8>(at));
}

@inline
function laneOf(x: v128, lane: i32): i32 {
  if (lane == 0) return i32x4.extract_lane(x, 0);
  if (lane == 1) return i32x4.extract_lane(x, 1);
  return lane == 2 ? i32x4.extract_lane(x, 2) : i32x4.extract_lane(x, 3);
}

@inline
function gather<T>(table: usize, places: v128): v128 {
  let x = f32x4.splat(<f32>load<T>(bucketAt<T>(table, i32x4.extract_lane(places, 0))));
  x = f32x4.replace_lane(x, 1, <f32>load<T>(bucketAt<T>(table, i32x4.extract_lane(places, 1))));
  x = f32x4.replace_lane(x, 2, <f32>load<T>(bucketAt<T>(table, i32x4.extract_lane(places, 2))));
  return f32x4.replace_lane(x, 3, <f32>load<T>(bucketAt<T>(table, i32x4.extract_lane(places, 3))));
}

@inline
function addRun<T>(count: i32, weights: usize, run: usize, scale: f32, out: usize): void {
  const end = weights + ((<usize>count) << 2);
  const scales = f32x4.splat(scale);
  for (; weights + 16 <= end; weights += 16, run += 4 * sizeof<T>(), out += 16) {
    v128.store(out, multiplyAdd(loadBuckets<T>(run), scales, v128.load(weights)));
  }
  for (; weights < end; weights += 4, run += sizeof<T>(), out += 4) {
    store<f32>(out, load<f32>(weights) + <f32>load<T>(run) * scale);
  }
}

/**
 * Adds to every bucket the signed gradients of the weights placed on it, times a factor: the transpose of
 * `addHashed`.
 *
 * @param gradient [count]
 * @param sums [buckets + block - 1]; sums beyond the last bucket belong to the first ones
 */
export function sumHashed(
  count: i32,
  gradient: usize,
  factor: f32,
  buckets: i32,
  block: i32,
  seed: u32,
  sums: usize,
): void {
  const start = hashStart(seed);
  const limits = i32x4.splat(buckets);
  const factorBits = reinterpret<i32>(factor);
  let keys = i32x4(0, 1, 2, 3);
  for (let i = 0; i < count; i += 4 * block) {
    const hashes = xxh32x4(keys, start);
    const firsts = firstBuckets(hashes, limits);
    const signs = signBits(hashes);
    keys = i32x4.add(keys, i32x4.splat(4));
    for (let lane = 0; lane < 4; lane++) {
      const from = i + lane * block;
      if (from >= count) break;
      const signed = reinterpret<f32>(factorBits ^ laneOf(signs, lane));
      const target = floatAt(sums, laneOf(firsts, lane));
      sumRun(min(block, count - from), floatAt(gradient, from), signed, target);
    }
  }
}

@inline
function sumRun(count: i32, gradient: usize, factor: f32, sums: usize): void {
  const end = gradient + ((<usize>count) << 2);
  const factors = f32x4.splat(factor);
  for (; gradient + 16 <= end; gradient += 16, sums += 16) {
    v128.store(sums, multiplyAdd(v128.load(gradient), factors, v128.load(sums)));
  }
  for (; gradient < end; gradient += 4, sums += 4) {
    store<f32>(sums, load<f32>(sums) + load<f32>(gradient) * factor);
  }
}
