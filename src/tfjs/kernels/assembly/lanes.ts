/**
 * Loads and stores four neighbouring elements of a tensor in the four lanes of a vector, for any element
 * size. The type parameter encodes the dtype: f32 float32, u16 float16, i16 bfloat16, i8 int8, u8 uint8, i32
 * int32. Halves are in the low end of a lane, bytes are widened.
 */
@inline
export function loadFour<T>(at: usize): v128 {
  if (sizeof<T>() == 4) return v128.load(at);
  if (sizeof<T>() == 2) return v128.load_ext<u16>(at);
  const bytes = v128.load_zero<u32>(at);
  if (isSigned<T>()) return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes));
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
}

/** Stores what `loadFour` returns. */
@inline
export function storeFour<T>(at: usize, lanes: v128): void {
  if (sizeof<T>() == 4) v128.store(at, lanes);
  else if (sizeof<T>() == 2) v128.store_lane<u64>(at, i16x8.narrow_i32x4_u(lanes, lanes), 0);
  else v128.store_lane<u32>(at, i8x16.shuffle(lanes, lanes, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), 0);
}

/** One element in the first lane. */
@inline
export function loadOne<T>(at: usize): v128 {
  if (sizeof<T>() == 4) return v128.load_zero<u32>(at);
  if (sizeof<T>() == 2) return i32x4.splat(load<u16>(at));
  return i32x4.splat(<i32>load<T>(at));
}

/** Stores what `loadOne` returns. */
@inline
export function storeOne<T>(at: usize, lanes: v128): void {
  if (sizeof<T>() == 4) v128.store_lane<u32>(at, lanes, 0);
  else if (sizeof<T>() == 2) v128.store_lane<u16>(at, lanes, 0);
  else v128.store_lane<u8>(at, lanes, 0);
}
