import { hardSigmoid4, sigmoid4 } from './functions';
import { floatAt } from './vectors';

/** The operands of a recurrent layer: sequences [batch, steps, units], and scratch memory. */
@unmanaged
export class Recurrence {
  batch: i32;
  steps: i32;
  inputs: i32;
  units: i32;
  /** 1: the gates use the piecewise linear sigmoid. */
  isHard: i32;
  x: usize;
  /** [inputs, gates * units]. */
  kernel: usize;
  /** [units, gates * units]. */
  recurrent: usize;
  /** [gates * units], or 0. */
  bias: usize;
  /** Hidden state before the first step [batch, units], and after each [batch, steps, units]. */
  first: usize;
  hidden: usize;
  /** Cell state before the first step and after each; LSTM alone. */
  firstCell: usize;
  cells: usize;
  /** Gate activations [batch, steps, gates * units]. */
  gates: usize;
  /** Gradients with respect to all of these. */
  dHidden: usize;
  dx: usize;
  dKernel: usize;
  dRecurrent: usize;
  dBias: usize;
  dFirst: usize;
  /** At the start, that with respect to the last cell state. */
  dFirstCell: usize;
  /** Gradients with respect to the gates' inputs [batch, steps, gates * units]. */
  dGates: usize;
  /** Floats for `2 * steps + 1` states [batch, units]. */
  temporary: usize;
  /** `productScratch()` bytes. */
  scratch: usize;
}

/** Hidden (or cell) states before a step; rows are `previousRow` floats apart. */
@inline
export function previousState(r: Recurrence, first: usize, states: usize, step: i32): usize {
  return step == 0 ? first : floatAt(states, (step - 1) * r.units);
}

@inline
export function previousRow(r: Recurrence, step: i32): i32 {
  return step == 0 ? r.units : r.steps * r.units;
}

@inline
export function gate(r: Recurrence, x: v128): v128 {
  return r.isHard ? hardSigmoid4(x) : sigmoid4(x);
}

/** The derivative of a gate, from its value. */
@inline
export function gateSlope(r: Recurrence, y: v128): v128 {
  const one = f32x4.splat(1);
  const isOpen = v128.and(f32x4.gt(y, f32x4.splat(0)), f32x4.lt(y, one));
  return r.isHard ? v128.and(isOpen, f32x4.splat(0.2)) : f32x4.mul(y, f32x4.sub(one, y));
}

/** The derivative of the hyperbolic tangent, from its value. */
@inline
export function tanhSlope(y: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(y, y));
}
