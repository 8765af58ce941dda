// Contexts of elements of a segment: level of the base plus offsets of row and column less the origin.

/** The offset of lines that are kept, and the context of their elements. */
const KEPT: i16 = -0x8000;
const NO_CONTEXT: u8 = 255;

/** The level of a magnitude; `fraction` is the number of bits of a float's fraction, 32 for integers. */
@inline
export function levelOf(magnitude: u32, fraction: i32): i32 {
  const exponent = fraction < 32 ? magnitude >>> fraction : 0;
  if (exponent > 0) return <i32>(magnitude >>> (fraction - 1)) + 2 * fraction;
  const bits = 32 - clz<u32>(magnitude);
  return bits < 2 ? 2 * bits : 2 * bits + ((magnitude >>> (bits - 2)) & 1);
}

/** The magnitude of an element: without the sign of a float, or of a signed integer. */
@inline
export function magnitudeOf<T>(word: T, fraction: i32): u32 {
  const mask = (<u32>1 << (8 * sizeof<T>() - 1)) - 1;
  if (fraction < 32) return <u32>word & mask;
  if (isSigned<T>() && <i32>word < 0) return <u32>(-(<i32>word));
  return <u32>word;
}

/** Levels of `count` elements, i16 each. */
export function levels<T>(data: usize, into: usize, count: i32, fraction: i32): void {
  let i = 0;
  if (fraction < 32)
    for (; i + 8 <= count; i += 8) {
      const eight = eightLevels<T>(data + i * sizeof<T>(), fraction);
      // Subnormal numbers, below the first exponent, one by one.
      if (v128.any_true(i16x8.lt_s(eight, i16x8.splat(<i16>(2 * fraction + 2)))))
        for (let at = i; at < i + 8; at++) oneLevel<T>(data, into, at, fraction);
      else v128.store(into + 2 * i, eight);
    }
  for (; i < count; i++) oneLevel<T>(data, into, i, fraction);
}

@inline
function oneLevel<T>(data: usize, into: usize, i: i32, fraction: i32): void {
  const magnitude = magnitudeOf<T>(load<T>(data + i * sizeof<T>()), fraction);
  store<i16>(into + 2 * i, <i16>levelOf(magnitude, fraction));
}

/** The levels of eight floats that have an exponent. */
@inline
function eightLevels<T>(data: usize, fraction: i32): v128 {
  if (sizeof<T>() == 2) {
    const magnitudes = v128.and(v128.load(data), i16x8.splat(0x7fff));
    return i16x8.add(i16x8.shr_u(magnitudes, fraction - 1), i16x8.splat(<i16>(2 * fraction)));
  }
  const mask = i32x4.splat(0x7fffffff);
  const low = i32x4.shr_u(v128.and(v128.load(data), mask), fraction - 1);
  const high = i32x4.shr_u(v128.and(v128.load(data, 16), mask), fraction - 1);
  return i16x8.add(i16x8.narrow_i32x4_s(low, high), i16x8.splat(<i16>(2 * fraction)));
}

/** Adds the offsets of `count` elements of one row; `KEPT` where the row or a column is. */
export function addOffsets(sums: usize, count: i32, row: i16, columns: usize): void {
  const end = sums + 2 * count;
  const kept = i16x8.splat(KEPT);
  const rows = i16x8.splat(row);
  for (; sums + 16 <= end; sums += 16, columns += 16) {
    const offsets = v128.load(columns);
    const total = i16x8.add(i16x8.add(v128.load(sums), offsets), rows);
    const isKept = v128.or(i16x8.eq(offsets, kept), i16x8.eq(rows, kept));
    v128.store(sums, v128.bitselect(kept, total, isKept));
  }
  for (; sums < end; sums += 2, columns += 2) {
    const offset = load<i16>(columns);
    const isKept = offset == KEPT || row == KEPT;
    store<i16>(sums, isKept ? KEPT : <i16>(load<i16>(sums) + offset + row));
  }
}

/** Turns sums into contexts, u8 each: from 0 to `last`, `NO_CONTEXT` for kept elements. */
export function contexts(sums: usize, into: usize, count: i32, origin: i32, last: i32): void {
  const kept = i16x8.splat(KEPT);
  const none = i16x8.splat(NO_CONTEXT);
  const least = i16x8.splat(0);
  const most = i16x8.splat(<i16>last);
  const from = i16x8.splat(<i16>origin);
  for (let i = 0; i < count; i += 8) {
    const eight = v128.load(sums + 2 * i);
    const within = i16x8.min_s(i16x8.max_s(i16x8.sub(eight, from), least), most);
    const chosen = v128.bitselect(none, within, i16x8.eq(eight, kept));
    v128.store64_lane(into + i, i8x16.narrow_i16x8_u(chosen, chosen), 0);
  }
}
