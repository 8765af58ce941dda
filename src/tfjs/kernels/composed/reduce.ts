import * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type Heap, type KernelCall, sizeOf } from '../backend.js';

export type ReduceCall = KernelCall<'x', { axis: number | number[]; keepDims: boolean }>;
export type Reduce = (call: ReduceCall) => tf.TensorInfo;

/** A tensor as [blocks, rows, columns] whose rows are summed, and the shape of the result. */
interface RowLayout {
  readonly blocks: number;
  readonly rows: number;
  readonly columns: number;
  readonly outShape: number[];
}

/** Sums over outer axes, as needed by the gradients of biases and of batch normalization. */
export function sum(call: ReduceCall, stock: Reduce): tf.TensorInfo {
  const layout = outerAxes(call);
  return layout ? reduceRows(call, layout, 1) : stock(call);
}

/** Means over outer axes, as needed by batch normalization and global average pooling. */
export function mean(call: ReduceCall, stock: Reduce): tf.TensorInfo {
  const layout = outerAxes(call);
  // The mean of no rows is zero, as on the cpu backend.
  return layout ? reduceRows(call, layout, 1 / Math.max(1, layout.rows)) : stock(call);
}

/**
 * The stock kernels are efficient only for the innermost axes; for others they transpose the whole tensor
 * first.
 */
export function outerAxes({ inputs: { x }, attrs }: ReduceCall): RowLayout | undefined {
  const axes = sortedAxes(attrs.axis, x.shape);
  const first = axes[0] ?? 0;
  const end = first + axes.length;
  const isOneRun = axes.length > 0 && axes.every((axis, i) => axis === first + i);
  if (!isOneRun || end === x.shape.length || x.dtype !== 'float32') return undefined;
  const [kept] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
  return {
    outShape: attrs.keepDims ? tf.backend_util.expandShapeToKeepDim(kept, axes) : kept,
    blocks: sizeOf(x.shape.slice(0, first)),
    rows: sizeOf(x.shape.slice(first, end)),
    columns: sizeOf(x.shape.slice(end)),
  };
}

function sortedAxes(axis: number | number[], shape: number[]): number[] {
  return tf.util.parseAxisParam(axis, shape).sort((a, b) => a - b);
}

function reduceRows(
  { inputs: { x }, backend }: ReduceCall,
  layout: RowLayout,
  factor: number,
): tf.TensorInfo {
  const out = allocateFloats(backend, layout.outShape);
  const from = borrowFloats(backend, x);
  const to = borrowFloats(backend, out);
  const sums = new Float64Array(layout.columns);
  for (let block = 0; block < layout.blocks; block++) {
    sums.fill(0);
    addRows(layout, { from, block }, sums);
    for (let i = 0; i < sums.length; i++) to[block * layout.columns + i] = sums[i]! * factor;
  }
  return out;
}

function addRows(
  { rows, columns }: RowLayout,
  { from, block }: { from: Heap; block: number },
  sums: Float64Array,
): void {
  const end = (block + 1) * rows * columns;
  let row = block * rows * columns;
  // Four rows per pass, so that sums are loaded and stored a quarter as often.
  for (; row + 4 * columns <= end; row += 4 * columns) {
    const [second, third, fourth] = [row + columns, row + 2 * columns, row + 3 * columns];
    for (let i = 0; i < columns; i++) {
      sums[i]! += from[row + i]! + from[second + i]! + (from[third + i]! + from[fourth + i]!);
    }
  }
  for (; row < end; row += columns) {
    for (let i = 0; i < columns; i++) sums[i]! += from[row + i]!;
  }
}

type SegmentSumCall = KernelCall<'x' | 'segmentIds', { numSegments: number }>;

/**
 * Sums the slices of `x` with the same segment id, in order; ids out of range are dropped.
 * This is the gradient of a gather, and thus of every embedding.
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

type TileCall = KernelCall<'x', { reps: number[] }>;

/** Repeats a tensor along its axes, innermost first, by copies that double in length. */
export function tile(call: TileCall, stock: (call: TileCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const { x } = inputs;
  if (x.dtype !== 'float32') return stock(call);
  const out = allocateFloats(
    backend,
    x.shape.map((size, axis) => size * attrs.reps[axis]!),
  );
  const from = borrowFloats(backend, x);
  const to = borrowFloats(backend, out);
  if (to.length === 0) return out;
  writeTiles({ shape: x.shape, reps: attrs.reps }, from, to);
  return out;
}

function writeTiles({ shape, reps }: { shape: number[]; reps: number[] }, from: Heap, to: Heap): void {
  const [size, ...innerShape] = shape;
  if (size === undefined) {
    to.set(from);
    return;
  }
  const [copies, ...innerReps] = reps as [number, ...number[]];
  const inner = sizeOf(innerShape);
  const tiled = to.length / (size * copies);
  if (tiled === inner) to.set(from);
  else {
    for (let i = 0; i < size; i++) {
      const source = from.subarray(i * inner, (i + 1) * inner);
      writeTiles({ shape: innerShape, reps: innerReps }, source, to.subarray(i * tiled, (i + 1) * tiled));
    }
  }
  repeat(to, size * tiled);
}

/** Fills the rest of `values` with copies of its first `length` floats. */
function repeat(values: Heap, length: number): void {
  for (let done = length; done < values.length; done *= 2) {
    values.copyWithin(done, 0, Math.min(done, values.length - done));
  }
}
