import type * as tf from '@tensorflow/tfjs';
import { type KernelCall, sizeOf } from '../backend.js';

type SegmentSumCall = KernelCall<'x' | 'segmentIds', { numSegments: number }>;

/**
 * Adds the slices of `x` that carry the same segment id, in their order; ids outside the range are dropped.
 * This is the gradient of a gather, so of every embedding.
 */
export function unsortedSegmentSum({ inputs, backend, attrs }: SegmentSumCall): tf.TensorInfo {
  const { x, segmentIds } = inputs;
  const slice = x.shape.slice(segmentIds.shape.length);
  const out = backend.makeOutput([attrs.numSegments, ...slice], x.dtype);
  const size = sizeOf(slice);
  const sums = backend.typedArrayFromHeap(out).fill(0);
  const values = backend.typedArrayFromHeap(x);
  backend.typedArrayFromHeap(segmentIds).forEach((segment, index) => {
    if (segment < 0 || segment >= attrs.numSegments) return;
    const [from, to] = [index * size, segment * size];
    for (let i = 0; i < size; i++) sums[to + i]! += values[from + i]!;
  });
  return out;
}
