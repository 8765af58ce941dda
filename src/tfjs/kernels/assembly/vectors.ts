/** `sum + a * b` in each lane, rounded twice: fused products differ between processors. */
@inline
export function multiplyAdd(a: v128, b: v128, sum: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** The address of a float. */
@inline
export function floatAt(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2);
}

/** Sets `count` floats to zero. */
@inline
export function clear(target: usize, count: i32): void {
  memory.fill(target, 0, (<usize>count) << 2);
}

/** Copies `count` floats; a call of `memory.copy` costs more than a short run. */
@inline
export function copyFloats(target: usize, source: usize, count: i32): void {
  const end = target + ((<usize>count) << 2);
  for (; target + 16 <= end; target += 16, source += 16) v128.store(target, v128.load(source));
  for (; target < end; target += 4, source += 4) store<f32>(target, load<f32>(source));
}

/** Adds `count` floats to other floats. */
@inline
export function addFloats(target: usize, source: usize, count: i32): void {
  const end = target + ((<usize>count) << 2);
  for (; target + 16 <= end; target += 16, source += 16) {
    v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
  }
  for (; target < end; target += 4, source += 4) {
    store<f32>(target, load<f32>(target) + load<f32>(source));
  }
}

/** Adds `a[i] * b[i]` to `count` floats. */
@inline
export function addProducts(target: usize, a: usize, b: usize, count: i32): void {
  const end = target + ((<usize>count) << 2);
  for (; target + 16 <= end; target += 16, a += 16, b += 16) {
    v128.store(target, multiplyAdd(v128.load(a), v128.load(b), v128.load(target)));
  }
  for (; target < end; target += 4, a += 4, b += 4) {
    store<f32>(target, load<f32>(target) + load<f32>(a) * load<f32>(b));
  }
}

/** Adds `a[i] * factor` to `count` floats. */
@inline
export function addScaled(target: usize, a: usize, factor: f32, count: i32): void {
  const end = target + ((<usize>count) << 2);
  const factors = f32x4.splat(factor);
  for (; target + 16 <= end; target += 16, a += 16) {
    v128.store(target, multiplyAdd(v128.load(a), factors, v128.load(target)));
  }
  for (; target < end; target += 4, a += 4) store<f32>(target, load<f32>(target) + load<f32>(a) * factor);
}
