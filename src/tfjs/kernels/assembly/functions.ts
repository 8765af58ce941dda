/** Adding it to a small number rounds that to a whole number, which is then in the lowest bits. */
const ROUNDER: f32 = 12582912;

/**
 * e to the x in four lanes, within 2 units in the last place; x is clamped to -87 and 87, so that neither the
 * result nor its inverse is subnormal.
 *
 * Source: S. L. Moshier, Cephes Math Library, `expf`.
 */
@inline
export function exp4(x: v128): v128 {
  // Unlike min and max, these are single instructions; NaN passes through them.
  const bounded = f32x4.pmax(f32x4.pmin(x, f32x4.splat(87)), f32x4.splat(-87));
  const rounded = f32x4.add(f32x4.mul(bounded, f32x4.splat(1.44269504)), f32x4.splat(ROUNDER));
  const n = f32x4.sub(rounded, f32x4.splat(ROUNDER));
  let r = f32x4.sub(bounded, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.12194440e-4)));
  let p = f32x4.add(f32x4.mul(r, f32x4.splat(1.9875691500e-4)), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), f32x4.splat(1));
  const exponent = i32x4.sub(rounded, i32x4.splat(reinterpret<i32>(ROUNDER) - 127));
  return f32x4.mul(p, i32x4.shl(exponent, 23));
}

/** 1 / (1 + e^-x) in four lanes. */
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** The piecewise linear sigmoid of TensorFlow.js: `x / 5 + 1/2`, clamped to 0 and 1. */
@inline
export function hardSigmoid4(x: v128): v128 {
  const line = f32x4.add(f32x4.mul(x, f32x4.splat(0.2)), f32x4.splat(0.5));
  return f32x4.pmin(f32x4.pmax(line, f32x4.splat(0)), f32x4.splat(1));
}

/**
 * The hyperbolic tangent in four lanes.
 *
 * Source: S. L. Moshier, Cephes Math Library, `tanhf`.
 */
@inline
export function tanh4(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const two = f32x4.splat(2);
  const power = f32x4.add(exp4(f32x4.add(magnitude, magnitude)), f32x4.splat(1));
  const large = f32x4.sub(f32x4.splat(1), f32x4.div(two, power));
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const z = f32x4.mul(x, x);
  let p = f32x4.add(f32x4.mul(z, f32x4.splat(-5.70498872745e-3)), f32x4.splat(2.06390887954e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
  const small = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
  return v128.bitselect(v128.or(large, sign), small, f32x4.ge(magnitude, f32x4.splat(0.625)));
}

/**
 * The natural logarithm of four positive normal numbers; zero and subnormals are treated as the smallest
 * normal one.
 *
 * Source: S. L. Moshier, Cephes Math Library, `logf`.
 */
@inline
export function log4(given: v128): v128 {
  const one = f32x4.splat(1);
  const x = f32x4.pmax(given, f32x4.splat(1.17549435e-38));
  let e = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(x, 23), i32x4.splat(126)));
  let m = v128.or(v128.and(x, i32x4.splat(0x007fffff)), i32x4.splat(0x3f000000));
  const isSmall = f32x4.lt(m, f32x4.splat(0.707106781));
  e = f32x4.sub(e, v128.and(isSmall, one));
  m = f32x4.sub(f32x4.add(m, v128.and(isSmall, m)), one);
  const z = f32x4.mul(m, m);
  let p = f32x4.add(f32x4.mul(m, f32x4.splat(7.0376836292e-2)), f32x4.splat(-1.1514610310e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(1.1676998740e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-1.2420140846e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(1.4249322787e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-1.6668057665e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(2.0000714765e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-2.4999993993e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(p, m), z);
  y = f32x4.add(y, f32x4.mul(e, f32x4.splat(-2.12194440e-4)));
  y = f32x4.sub(y, f32x4.mul(z, f32x4.splat(0.5)));
  return f32x4.add(f32x4.add(m, y), f32x4.mul(e, f32x4.splat(0.693359375)));
}
