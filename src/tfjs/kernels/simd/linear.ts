import type * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, runKernel, sizeOf } from '../backend.js';
import { type BatchNormCall, isByChannel } from '../composed/batch-norm.js';
import { commonBatch, type MatMul, type MatMulCall, outputShape, productSize } from '../composed/mat-mul.js';
import { outerAxes, type Reduce, type ReduceCall } from '../composed/reduce.js';
import type { Simd } from './module.js';

/** From this many rows, a product is faster here than in the stock kernel, which packs second operands. */
const MIN_ROWS = 8;

/** Products of float matrices, transposed or not. */
export function simdMatMul(call: MatMulCall, simd: Simd, otherwise: MatMul): tf.TensorInfo {
  return product(call, simd) ?? otherwise(call);
}

/** A product to which a bias and an activation are applied. */
export type FusedMatMulCall = MatMulCall & {
  readonly inputs: { readonly bias?: tf.TensorInfo };
  readonly attrs: { readonly activation?: string };
};

/** Kernels of activations; undefined stands for none. */
const ACTIVATIONS: Readonly<Record<string, string | undefined>> = {
  linear: undefined,
  relu: 'Relu',
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
};

/** Dense layers. The stock kernel packs weights, and keeps the packed copy as long as the weights. */
export function simdFusedMatMul(
  call: FusedMatMulCall,
  simd: Simd,
  otherwise: (call: FusedMatMulCall) => tf.TensorInfo,
): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const { activation = 'linear' } = attrs;
  const a = activation in ACTIVATIONS ? product(call, simd) : undefined;
  if (a === undefined) return otherwise(call);
  const apply = (kernelName: string, operands: Record<string, tf.TensorInfo>): tf.TensorInfo => {
    const result = runKernel(backend, kernelName, { inputs: operands });
    backend.disposeData((operands.a ?? (operands.x as tf.TensorInfo)).dataId);
    return result;
  };
  const sum = inputs.bias ? apply('Add', { a, b: inputs.bias }) : a;
  const kernelName = ACTIVATIONS[activation];
  return kernelName ? apply(kernelName, { x: sum }) : sum;
}

/** @returns the product, or undefined for operands that the stock kernel multiplies faster */
function product(call: MatMulCall, simd: Simd): tf.TensorInfo | undefined {
  const { inputs, backend, attrs } = call;
  const batch = commonBatch(inputs.a, inputs.b);
  const [m, k, n] = productSize(call);
  const isPlain = !attrs.transposeA && !attrs.transposeB;
  if (batch === undefined || m * k * n === 0 || (isPlain && batch === 1 && m < MIN_ROWS)) return undefined;
  const out = allocateFloats(backend, outputShape(inputs, m, n));
  const scratch = simd.borrowScratch(simd.productBytes);
  const [a, b, c] = [simd.pointer(inputs.a), simd.pointer(inputs.b), simd.pointer(out)];
  const [aRow, aStep] = attrs.transposeA ? [1, m] : [k, 1];
  const [bStep, bColumn] = attrs.transposeB ? [1, k] : [n, 1];
  for (let entry = 0; entry < batch; entry++) {
    const left = a + 4 * entry * m * k;
    const right = b + 4 * entry * k * n;
    simd.run.product(m, n, k, left, aRow, aStep, right, bStep, bColumn, c + 4 * entry * m * n, n, 0, scratch);
  }
  return out;
}

/** Sums over outer axes; others use the other kernel. */
export function simdSum(call: ReduceCall, simd: Simd, otherwise: Reduce): tf.TensorInfo {
  return reduceRows(call, { simd, otherwise, factor: () => 1 });
}

/** Means over outer axes; others use the other kernel. */
export function simdMean(call: ReduceCall, simd: Simd, otherwise: Reduce): tf.TensorInfo {
  return reduceRows(call, { simd, otherwise, factor: (rows) => 1 / Math.max(1, rows) });
}

function reduceRows(
  call: ReduceCall,
  how: { simd: Simd; otherwise: Reduce; factor: (rows: number) => number },
): tf.TensorInfo {
  const layout = outerAxes(call);
  if (!layout) return how.otherwise(call);
  const { blocks, rows, columns, outShape } = layout;
  const out = allocateFloats(call.backend, outShape);
  const [x, sums] = [how.simd.pointer(call.inputs.x), how.simd.pointer(out)];
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [x + 4 * block * rows * columns, sums + 4 * block * columns];
    how.simd.run.sumRows(from, rows, columns, how.factor(rows), to);
  }
  return out;
}

/** Normalises by channel in one pass; parameters of other shapes use the other kernel. */
export function simdBatchNorm(
  call: BatchNormCall,
  simd: Simd,
  otherwise: (call: BatchNormCall) => tf.TensorInfo,
): tf.TensorInfo {
  if (!isByChannel(call)) return otherwise(call);
  const { inputs, backend, attrs } = call;
  const { x, mean, variance, scale, offset } = inputs;
  const columns = mean.shape[0] as number;
  const out = allocateFloats(backend, x.shape);
  const [factor, shift] = [allocateFloats(backend, [columns]), allocateFloats(backend, [columns])];
  const factors = borrowFloats(backend, factor);
  const scales = scale && borrowFloats(backend, scale);
  borrowFloats(backend, variance).forEach((value, i) => {
    factors[i] = (scales?.[i] ?? 1) / Math.sqrt(value + attrs.varianceEpsilon);
  });
  if (!offset) borrowFloats(backend, shift).fill(0);
  const tensors = [x, mean, factor, offset ?? shift].map((tensor) => simd.pointer(tensor));
  simd.run.normalise(...tensors, sizeOf(x.shape) / columns, columns, simd.pointer(out));
  for (const { dataId } of [factor, shift]) backend.disposeData(dataId);
  return out;
}
