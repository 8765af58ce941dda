/** Difference of the exponent biases of float32 and binary16, as a factor: 2^(127 - 15). */
const REBIAS: f32 = 5.192296858534828e33;

/** Exponent bits, which are all set in NaN and infinite float32. */
const NO_FINITE: i32 = 0x7f800000;

/** Binary16, four in the low ends of the lanes, as float32, exactly. */
@inline
export function widenFloat16(bits: v128): v128 {
  const magnitude = f32x4.mul(
    i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13),
    f32x4.splat(REBIAS),
  );
  const isNoFinite = f32x4.ge(magnitude, f32x4.splat(65536));
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  return v128.or(v128.or(magnitude, sign), v128.and(isNoFinite, i32x4.splat(NO_FINITE)));
}

/**
 * Float32 rounded to the nearest binary16, ties to even; NaN becomes 0x7e00.
 *
 * Below 2^-14 a binary16 has steps of 2^-24, like a float32 from 0.5 to 1: adding 0.5 rounds to that step.
 */
@inline
export function narrowFloat16(values: v128): v128 {
  const magnitude = v128.and(values, i32x4.splat(0x7fffffff));
  const tieToEven = i32x4.add(
    v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1)),
    i32x4.splat(0xfff - 0x38000000),
  );
  const normal = i32x4.shr_u(i32x4.add(magnitude, tieToEven), 13);
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), f32x4.splat(0.5));
  let bits = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  bits = v128.bitselect(i32x4.splat(0x7c00), bits, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)));
  bits = v128.or(bits, v128.and(i32x4.shr_u(values, 16), i32x4.splat(0x8000)));
  return v128.bitselect(bits, i32x4.splat(0x7e00), f32x4.eq(values, values));
}

/** Bfloat16, four in the low ends of the lanes, as float32, exactly. */
@inline
export function widenBfloat16(bits: v128): v128 {
  return i32x4.shl(bits, 16);
}

/** Float32 rounded to the nearest bfloat16, ties to even; NaN becomes 0x7fc0. */
@inline
export function narrowBfloat16(values: v128): v128 {
  const odd = v128.and(i32x4.shr_u(values, 16), i32x4.splat(1));
  const bits = i32x4.shr_u(i32x4.add(values, i32x4.add(odd, i32x4.splat(0x7fff))), 16);
  return v128.bitselect(bits, i32x4.splat(0x7fc0), f32x4.eq(values, values));
}
