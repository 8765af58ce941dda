import * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type Heap, type KernelCall, sizeOf } from '../backend.js';

export type ReduceCall = KernelCall<'x', { axis: number | number[]; keepDims: boolean }>;
export type Reduce = (call: ReduceCall) => tf.TensorInfo;

/** A tensor seen as [blocks, rows, columns], of which the rows are added up into a tensor of another shape. */
export interface RowLayout {
  readonly blocks: number;
  readonly rows: number;
  readonly columns: number;
  readonly outShape: number[];
}

/** Sums over outer axes, as the gradients of biases and of batch normalization need them. */
export function sum(call: ReduceCall, stock: Reduce): tf.TensorInfo {
  const layout = outerAxes(call);
  return layout ? reduceRows(call, layout, 1) : stock(call);
}

/** Means over outer axes, as batch normalization and global average pooling need them. */
export function mean(call: ReduceCall, stock: Reduce): tf.TensorInfo {
  const layout = outerAxes(call);
  // The mean of no rows is zero, as on the cpu backend.
  return layout ? reduceRows(call, layout, 1 / Math.max(1, layout.rows)) : stock(call);
}

/** The stock kernels are good at the innermost axes; for others they transpose the whole tensor first. */
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
  // Four rows a pass: the sums are loaded and stored a quarter as often.
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
