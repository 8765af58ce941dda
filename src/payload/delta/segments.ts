import { elementCount, type TensorInfo } from '../../model/tensor.js';

/** Most elements of a segment. */
export const SEGMENT_ELEMENTS = 2 ** 18;

/** Tensors of fewer elements share segments, of at most so many elements. */
export const SHARED_BELOW = 2 ** 12;
export const SHARED_ELEMENTS = 2 ** 16;

/** A range of the elements of consecutive tensors of a record. */
export interface SegmentRange {
  /** Elements in all. */
  readonly elements: number;
  /** Index in the tensor of the first element; 0 for a segment of several tensors. */
  readonly first: number;
  /** Shape of the tensor, unless several may share the segment. */
  readonly shape?: readonly number[];
}

/**
 * Divides the tensors of a delta record into segments.
 *
 * A tensor of `SHARED_BELOW` elements or more has segments of its own, of `SEGMENT_ELEMENTS` each, the last
 * one shorter. Consecutive smaller tensors of one dtype share a segment, as long as it has no more than
 * `SHARED_ELEMENTS`.
 *
 * @param tensors as ops see them
 * @returns the segments that begin in each tensor
 */
export function segmentsOf(tensors: readonly TensorInfo[]): Map<string, SegmentRange[]> {
  const segments = new Map<string, SegmentRange[]>();
  let shared: { elements: number; first: number; dtype: string } | undefined;
  for (const { name, ...info } of tensors) {
    const elements = elementCount({ name, ...info });
    if (elements >= SHARED_BELOW) {
      segments.set(name, ownSegments(info.shape, elements));
      shared = undefined;
    } else if (shared?.dtype === info.dtype && shared.elements + elements <= SHARED_ELEMENTS) {
      shared.elements += elements;
    } else {
      shared = { elements, first: 0, dtype: info.dtype };
      segments.set(name, [shared]);
    }
  }
  return segments;
}

function ownSegments(shape: readonly number[], elements: number): SegmentRange[] {
  const count = Math.ceil(elements / SEGMENT_ELEMENTS);
  return Array.from({ length: count }, (_, i) => {
    const first = i * SEGMENT_ELEMENTS;
    return { first, elements: Math.min(SEGMENT_ELEMENTS, elements - first), shape };
  });
}
