import type { DType } from './dtype.js';
import type { TensorInfo } from './tensor.js';

/** An element type of a container, as the format has it. */
export interface StoredType {
  readonly dtype: DType;
  /** Bytes an element, where the format has no such type: its elements are tensors of so many bytes. */
  readonly bytes?: number;
}

/** Types that the format has no arithmetic for are kept as bytes: diffs of them are exact. */
export const asBytes = (bytes: number): StoredType => ({ dtype: 'uint8', bytes });

/**
 * @returns the tensor as the format sees it: `float64[3]` becomes `uint8[3, 8]`
 */
export function tensorOf(name: string, { dtype, bytes }: StoredType, shape: readonly number[]): TensorInfo {
  return { name, dtype, shape: bytes === undefined ? shape : [...shape, bytes] };
}
