import { narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './halves';
import { loadFour, loadOne, storeFour, storeOne } from './lanes';

/** The positive quiet NaN without payload. */
const QUIET: i32 = 0x7fc00000;

/** Float32 products as the values that are added to elements: whole numbers for integers. */
@inline
export function valuesOf<T>(products: v128): v128 {
  return isFloat<T>() || sizeof<T>() == 2 ? products : i32x4.trunc_sat_f32x4_s(products);
}

/** Values with the sign turned in the lanes where the highest bit of `signs` is set. */
@inline
export function withSigns<T>(values: v128, signs: v128): v128 {
  if (isFloat<T>() || sizeof<T>() == 2) return v128.xor(values, signs);
  const mask = i32x4.shr_s(signs, 31);
  return i32x4.sub(v128.xor(values, mask), mask);
}

/** Adds values to elements, rounding once; where a value is zero, all bits of the element stay. */
@inline
export function added<T>(lanes: v128, values: v128): v128 {
  if (!isFloat<T>() && sizeof<T>() != 2) return i32x4.add(lanes, values);
  let sum: v128;
  if (isFloat<T>()) {
    sum = f32x4.add(lanes, values);
    sum = v128.bitselect(sum, i32x4.splat(QUIET), f32x4.eq(sum, sum));
  } else if (isSigned<T>()) sum = narrowBfloat16(f32x4.add(widenBfloat16(lanes), values));
  else sum = narrowFloat16(f32x4.add(widenFloat16(lanes), values));
  return v128.bitselect(lanes, sum, f32x4.eq(values, f32x4.splat(0)));
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
