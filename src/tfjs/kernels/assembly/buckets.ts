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

/** The digit of the `rank`-th largest, in the low half, and its rank among those with the same digit, above. */
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
 * @param isFloat whether kept values stay as they are
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
  let sum: f64 = 0;
  let seen: i32 = 0;
  for (let i = 0; i < count; i++) {
    const value = load<f32>(floatAt(values, i));
    const bits = magnitudeBits(floatAt(values, i));
    const isKept = bits >= least;
    const level = isFloat ? value : value < 0 ? -1 : 1;
    store<f32>(floatAt(table, i), isKept ? level : 0);
    sum += isKept ? <f64>reinterpret<f32>(bits) : 0;
    seen += <i32>isKept;
  }
  store<f32>(scale, isFloat || seen === 0 ? 1 : <f32>(sum / <f64>seen));
}
