import { floatsOf } from '../../model/float16.js';
import { DTYPES, type Tensor } from '../../model/tensor.js';

/** A tensor of floats in two models, and how far they lie apart. */
export interface TensorPair {
  readonly before: Tensor;
  readonly after: Tensor;
  /** Elements of both as float32, exactly. */
  readonly from: Float32Array;
  readonly to: Float32Array;
  /** Elements whose bits differ and of which one is no finite number: no level leads from one to the other. */
  readonly nonFinite: readonly number[];
  /** Sum of the squared changes of all other elements. */
  readonly change: number;
  /** The largest of these changes. */
  readonly largest: number;
}

/** What a diff leaves of a tensor's changes: sums of squares, those of strays and of what stays NaN or infinite not among them. */
export interface Residual {
  readonly left: number;
  readonly change: number;
}

/** @returns a tensor of floats in two models, looked through once */
export function comparePair(before: Tensor, after: Tensor): TensorPair {
  const [from, to] = [floatsOf(before), floatsOf(after)];
  const strays: number[] = [];
  let change = 0;
  let largest = 0;
  for (let i = 0; i < from.length; i++) {
    const step = Math.abs((to[i] as number) - (from[i] as number));
    if (step < Number.POSITIVE_INFINITY) {
      change += step ** 2;
      if (step > largest) largest = step;
    } else if (!hasSameBits(before, after, i)) strays.push(i);
  }
  return { before, after, from, to, nonFinite: strays, change, largest };
}

/** NaNs differ in what their values do not show. */
function hasSameBits(before: Tensor, after: Tensor, index: number): boolean {
  const size = DTYPES[before.dtype].bytes;
  for (let at = index * size; at < (index + 1) * size; at++)
    if (before.bytes[at] !== after.bytes[at]) return false;
  return true;
}

/** @param patched the tensor that a diff gives */
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

/** @returns the root mean square of what is left over that of the change; 0 where nothing is left, also of nothing */
export function relativeError({ left, change }: Residual): number {
  return left === 0 ? 0 : Math.sqrt(left / change);
}
