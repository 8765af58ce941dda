/** Bytes of a float32. */
export const FLOAT: usize = 4;

/** `sum + a * b` in each lane, rounded twice: fused products differ between processors. */
@inline
export function multiplyAdd(a: v128, b: v128, sum: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** Sets `count` floats to zero. */
@inline
export function clear(target: usize, count: i32): void {
  memory.fill(target, 0, (<usize>count) * FLOAT);
}

/** Adds `count` floats to others. */
export function addFloats(target: usize, source: usize, count: i32): void {
  const end = target + ((<usize>count) << 2);
  for (; target + 16 <= end; target += 16, source += 16) {
    v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
  }
  for (; target < end; target += 4, source += 4) {
    store<f32>(target, load<f32>(target) + load<f32>(source));
  }
}

/** The sum of four lanes, in pairs. */
@inline
export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}
