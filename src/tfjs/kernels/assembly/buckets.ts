import { floatAt } from './vectors';

/** Digits of 16 bits: magnitudes are ordered like their bits. */
const DIGITS: i32 = 1 << 16;

@inline
function magnitudeBits(at: usize): u32 {
  return load<u32>(at) & 0x7fffffff;
}

@inline
function countDigit(counts: usize, digit: u32): void {
  const at = counts + ((<usize>digit) << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** In the low half, the digit of the `rank`-th largest; above, its rank among those with that digit. */
function digitOfRank(counts: usize, rank: i32): u64 {
  let digit = DIGITS - 1;
  let left = rank;
  for (; left > load<i32>(counts + ((<usize>digit) << 2)); digit--) {
    left -= load<i32>(counts + ((<usize>digit) << 2));
  }
  return (<u64>digit) | ((<u64>left) << 32);
}

/** The bits of the `rank`-th largest magnitude. */
function leastMagnitude(count: i32, values: usize, rank: i32, counts: usize): u32 {
  const end = values + ((<usize>count) << 2);
  memory.fill(counts, 0, (<usize>DIGITS) << 2);
  for (let at = values; at < end; at += 4) countDigit(counts, magnitudeBits(at) >>> 16);
  const found = digitOfRank(counts, rank);
  const high = <u32>found;
  memory.fill(counts, 0, (<usize>DIGITS) << 2);
  for (let at = values; at < end; at += 4) {
    const bits = magnitudeBits(at);
    if (bits >>> 16 === high) countDigit(counts, bits & 0xffff);
  }
  return (high << 16) | <u32>digitOfRank(counts, <i32>(found >>> 32));
}

/**
 * Makes the smallest values zero, and the others -1 or 1 unless they stay floats.
 *
 * @param values [count]
 * @param kept how many are not zero, more only if several are as large as the last: 0 to `count`
 * @param isFloat whether kept values stay floats; others become bytes with signs
 * @param counts memory for 2^16 numbers of 32 bits
 * @param table, the results [count]
 * @param scale, the mean magnitude of the kept values [1]; 1 for none or floats
 */
export function quantiseBuckets(
  count: i32,
  values: usize,
  kept: i32,
  isFloat: i32,
  counts: usize,
  table: usize,
  scale: usize,
): void {
  const least: u32 = kept ? leastMagnitude(count, values, kept, counts) : 0x7f800000;
  let mean: f32 = 1;
  if (isFloat) keepFloats(count, values, least, table);
  else mean = keepSigns(count, values, least, table);
  store<f32>(scale, mean);
}

function keepFloats(count: i32, values: usize, least: u32, table: usize): void {
  for (let i = 0; i < count; i++) {
    const isKept = magnitudeBits(floatAt(values, i)) >= least;
    store<f32>(floatAt(table, i), isKept ? load<f32>(floatAt(values, i)) : 0);
  }
}

/** @returns the mean magnitude: four sums of every fourth value, so that none waits for another */
function keepSigns(count: i32, values: usize, least: u32, table: usize): f32 {
  const limits = i32x4.splat(least);
  let seen = i32x4.splat(0);
  let even = f64x2.splat(0), odd = even;
  for (let i = 0; i < count; i += 4) {
    const isWhole = i + 4 <= count;
    const value = isWhole ? v128.load(floatAt(values, i)) : loadTail(floatAt(values, i), count - i);
    const magnitude = f32x4.abs(value);
    const present = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count - i));
    const isKept = v128.and(i32x4.ge_u(magnitude, limits), present);
    const negative = f32x4.lt(value, f32x4.splat(0));
    const level = v128.and(isKept, v128.or(negative, i32x4.splat(1)));
    const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(level, level), level);
    if (isWhole) v128.store_lane<u32>(table + <usize>i, bytes, 0);
    else for (let j = i; j < count; j++) store<i8>(table + <usize>j, <i8>laneAt(level, j - i));
    const counted = v128.and(isKept, magnitude);
    even = f64x2.add(even, f64x2.promote_low_f32x4(counted));
    odd = f64x2.add(odd, f64x2.promote_low_f32x4(v128.shuffle<u32>(counted, counted, 2, 3, 2, 3)));
    seen = i32x4.sub(seen, isKept);
  }
  const sums = f64x2.add(even, odd);
  const total = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  const all = laneAt(seen, 0) + laneAt(seen, 1) + laneAt(seen, 2) + laneAt(seen, 3);
  return all ? <f32>(total / <f64>all) : 1;
}

/** The last one to three floats, and zeros. */
function loadTail(at: usize, count: i32): v128 {
  let x = v128.load32_zero(at);
  if (count > 1) x = v128.load32_lane(at + 4, x, 1);
  return count > 2 ? v128.load32_lane(at + 8, x, 2) : x;
}

@inline
function laneAt(x: v128, lane: i32): i32 {
  if (lane == 0) return i32x4.extract_lane(x, 0);
  if (lane == 1) return i32x4.extract_lane(x, 1);
  return lane == 2 ? i32x4.extract_lane(x, 2) : i32x4.extract_lane(x, 3);
}
