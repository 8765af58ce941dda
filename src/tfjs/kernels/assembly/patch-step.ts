import { narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './halves';
import { loadFour, loadOne, storeFour, storeOne } from './lanes';

/** The positive quiet NaN with an empty payload. */
const QUIET: i32 = 0x7fc00000;

/** Converts float32 products to the values that are added: whole numbers for integers. */
@inline
export function valuesOf<T>(products: v128): v128 {
  return isFloat<T>() || sizeof<T>() == 2 ? products : i32x4.trunc_sat_f32x4_s(products);
}

/**
 * Adds values to elements, rounding once or saturating; if a value is zero, all bits of the element are kept.
 */
@inline
export function added<T>(lanes: v128, values: v128): v128 {
  if (sizeof<T>() == 1) return addedToBytes<T>(lanes, values);
  if (!isFloat<T>() && sizeof<T>() == 4) return addedToWords(lanes, values);
  let sum: v128;
  if (isFloat<T>()) {
    sum = f32x4.add(lanes, values);
    sum = v128.bitselect(sum, i32x4.splat(QUIET), f32x4.eq(sum, sum));
  } else if (isSigned<T>()) sum = narrowBfloat16(f32x4.add(widenBfloat16(lanes), values));
  else sum = narrowFloat16(f32x4.add(widenFloat16(lanes), values));
  return v128.bitselect(lanes, sum, f32x4.eq(values, f32x4.splat(0)));
}

/** Limits values so that the sum cannot overflow. */
@inline
function addedToBytes<T>(lanes: v128, values: v128): v128 {
  const least = i32x4.sub(i32x4.splat(isSigned<T>() ? <i32>i8.MIN_VALUE : 0), lanes);
  const most = i32x4.sub(i32x4.splat(isSigned<T>() ? <i32>i8.MAX_VALUE : <i32>u8.MAX_VALUE), lanes);
  return i32x4.add(lanes, i32x4.min_s(i32x4.max_s(values, least), most));
}

/** An overflowing sum differs in sign from both of its terms. */
@inline
function addedToWords(lanes: v128, values: v128): v128 {
  const sum = i32x4.add(lanes, values);
  const overflow = i32x4.shr_s(v128.and(v128.xor(lanes, sum), v128.xor(values, sum)), 31);
  const end = v128.xor(i32x4.shr_s(lanes, 31), i32x4.splat(i32.MAX_VALUE));
  return v128.bitselect(end, sum, overflow);
}

/** Adds to four neighbouring elements. */
@inline
export function patchFour<T>(at: usize, values: v128): void {
  storeFour<T>(at, added<T>(loadFour<T>(at), values));
}

/** Adds the value of the first lane to one element. */
@inline
export function patchOne<T>(at: usize, values: v128): void {
  storeOne<T>(at, added<T>(loadOne<T>(at), values));
}

/** Adds to eight neighbouring float32. Their sums are checked for NaN together, as it is rare. */
@inline
export function patchEight(at: usize, low: v128, high: v128): void {
  const first = f32x4.add(v128.load(at), low);
  const second = f32x4.add(v128.load(at, 16), high);
  const both = f32x4.add(first, second);
  if (v128.any_true(f32x4.ne(both, both))) patchEightWithNaN(at, low, high);
  else {
    v128.store(at, first);
    v128.store(at, second, 16);
  }
}

function patchEightWithNaN(at: usize, low: v128, high: v128): void {
  patchFour<f32>(at, low);
  patchFour<f32>(at + 16, high);
}
