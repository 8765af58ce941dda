import { patchFour, patchOne, valuesOf } from './patch-step';

/**
 * Adds `level * scale` to the elements at some positions.
 *
 * @param data address of the element at position `first`
 * @param first lower bound of the positions
 * @param positions u32 each, all of elements in memory
 * @param levels i16 each
 * @param count number of positions
 */
export function patchSparse<T>(
  data: usize,
  first: u32,
  positions: usize,
  levels: usize,
  count: u32,
  scale: f32,
): void {
  const end = positions + ((<usize>count) << 2);
  for (; positions < end; positions += 4, levels += 2) {
    const at = data + (<usize>(load<u32>(positions) - first)) * sizeof<T>();
    patchOne<T>(at, valuesOf<T>(f32x4.splat(<f32>load<i16>(levels) * scale)));
  }
}

/** Adds `level * scale` to `count` neighbouring elements; levels are i8 each. */
export function patchDense<T>(data: usize, levels: usize, count: u32, scale: f32): void {
  const end = levels + count;
  const scales = f32x4.splat(scale);
  for (; levels + 4 <= end; levels += 4, data += 4 * sizeof<T>()) {
    const four = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load_zero<u32>(levels)));
    patchFour<T>(data, valuesOf<T>(f32x4.mul(f32x4.convert_i32x4_s(four), scales)));
  }
  for (; levels < end; levels++, data += sizeof<T>()) {
    patchOne<T>(data, valuesOf<T>(f32x4.splat(<f32>load<i8>(levels) * scale)));
  }
}
