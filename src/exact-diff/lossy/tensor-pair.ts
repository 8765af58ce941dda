import { floatsOf } from '../../model/float16.js';
import { DTYPES, type Tensor } from '../../model/tensor.js';

/** A floating-point tensor in two models, with its changes. */
export interface TensorPair {
  readonly before: Tensor;
  readonly after: Tensor;
  /** Elements of both, converted exactly to float32. */
  readonly from: Float32Array;
  readonly to: Float32Array;
  /**
   * Indices of elements whose bits differ and of which one is not finite: levels cannot express these
   * changes.
   */
  readonly nonFinite: readonly number[];
  /** Sum of the squared changes of all other elements. */
  readonly change: number;
  /** Largest magnitude among these changes. */
  readonly largest: number;
}

/** Sums of squares of the residual and of the change of a tensor, over pairs of finite elements. */
export interface Residual {
  readonly left: number;
  readonly change: number;
}

/** Compares a floating-point tensor of two models in a single pass. */
export function comparePair(before: Tensor, after: Tensor): TensorPair {
  const [from, to] = [floatsOf(before), floatsOf(after)];
  const nonFinite: number[] = [];
  let change = 0;
  let largest = 0;
  for (let i = 0; i < from.length; i++) {
    const step = Math.abs((to[i] as number) - (from[i] as number));
    if (step < Number.POSITIVE_INFINITY) {
      change += step ** 2;
      if (step > largest) largest = step;
    } else if (!hasSameBits(before, after, i)) nonFinite.push(i);
  }
  return { before, after, from, to, nonFinite, change, largest };
}

/** Compares bits, as NaNs may have different payloads. */
function hasSameBits(before: Tensor, after: Tensor, index: number): boolean {
  const size = DTYPES[before.dtype].bytes;
  for (let at = index * size; at < (index + 1) * size; at++)
    if (before.bytes[at] !== after.bytes[at]) return false;
  return true;
}

/** @param patched the tensor after the diff is applied */
export function residualOf({ from, to, change }: TensorPair, patched: Tensor): Residual {
  const values = floatsOf(patched);
  let left = 0;
  for (let i = 0; i < from.length; i++) {
    const step = (to[i] as number) - (from[i] as number);
    // The difference is NaN where the step is NaN or infinite.
    if (step - step === 0) left += ((to[i] as number) - (values[i] as number)) ** 2;
  }
  return { left, change };
}

/**
 * @returns the root mean square of the residual over that of the change; 0 if nothing is left, even of no
 *   change
 */
export function relativeError({ left, change }: Residual): number {
  return left === 0 ? 0 : Math.sqrt(left / change);
}
