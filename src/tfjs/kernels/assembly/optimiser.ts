/**
 * One step of Adam, with the operations and roundings of TensorFlow.js in the same order.
 *
 * Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015.
 *
 * @param count parameters
 * @param value, gradient [count]
 * @param first, second moments [count]
 * @param correction1, correction2 1 minus the power of each decay
 * @param rate the negative learning rate
 * @param out, outFirst, outSecond new values and moments [count]
 */
export function adam(
  count: i32,
  value: usize,
  gradient: usize,
  first: usize,
  second: usize,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  correction1: f32,
  correction2: f32,
  epsilon: f32,
  rate: f32,
  out: usize,
  outFirst: usize,
  outSecond: usize,
): void {
  const end = (<usize>count) << 2;
  let at: usize = 0;
  for (; at + 16 <= end; at += 16) {
    const g = v128.load(gradient + at);
    const scaled = f32x4.mul(g, f32x4.splat(rest1));
    const squared = f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2));
    const m = f32x4.add(f32x4.mul(v128.load(first + at), f32x4.splat(beta1)), scaled);
    const v = f32x4.add(f32x4.mul(v128.load(second + at), f32x4.splat(beta2)), squared);
    v128.store(outFirst + at, m);
    v128.store(outSecond + at, v);
    const root = f32x4.sqrt(f32x4.div(v, f32x4.splat(correction2)));
    const step = f32x4.div(f32x4.div(m, f32x4.splat(correction1)), f32x4.add(root, f32x4.splat(epsilon)));
    v128.store(out + at, f32x4.add(f32x4.mul(step, f32x4.splat(rate)), v128.load(value + at)));
  }
  for (; at < end; at += 4) {
    const g = load<f32>(gradient + at);
    const m = load<f32>(first + at) * beta1 + g * rest1;
    const v = load<f32>(second + at) * beta2 + g * g * rest2;
    store<f32>(outFirst + at, m);
    store<f32>(outSecond + at, v);
    const step = m / correction1 / (sqrt<f32>(v / correction2) + epsilon);
    store<f32>(out + at, step * rate + load<f32>(value + at));
  }
}

/** `mean = decay * mean + rest * gradient^2`, in place. */
export function trackSquares(count: i32, mean: usize, gradient: usize, decay: f32, rest: f32): void {
  const end = (<usize>count) << 2;
  let at: usize = 0;
  for (; at + 16 <= end; at += 16) {
    const g = v128.load(gradient + at);
    const squared = f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest));
    v128.store(mean + at, f32x4.add(f32x4.mul(v128.load(mean + at), f32x4.splat(decay)), squared));
  }
  for (; at < end; at += 4) {
    const g = load<f32>(gradient + at);
    store<f32>(mean + at, load<f32>(mean + at) * decay + g * g * rest);
  }
}
