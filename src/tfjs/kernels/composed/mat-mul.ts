import * as tf from '@tensorflow/tfjs';
import {
  allocateFloats,
  borrowFloats,
  type KernelCall,
  reshaped,
  type Scratch,
  sizeOf,
  type WasmBackend,
  withScratch,
} from '../backend.js';

/**
 * Below this many multiplications per product, the stock loop is faster than calling XNNPACK for each entry.
 */
const MIN_MULTIPLICATIONS_PER_CALL = 8192;

/** Floats of unrolled patches per chunk: 1 Mi (4 MiB) fits processor caches and bounds the heap. */
export const MAX_COLUMN_FLOATS = 1 << 20;

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

export type MatMulCall = KernelCall<'a' | 'b', MatMulAttrs>;
export type MatMul = (call: MatMulCall) => tf.TensorInfo;

interface Operand {
  readonly tensor: tf.TensorInfo;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Products of float matrices, transposed or not, one batch entry at a time. The stock kernel is fast for a
 * single product of operands that are not transposed, so all cases are reduced to that.
 */
export function batchMatMul(call: MatMulCall, stock: MatMul): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const batch = commonBatch(inputs.a, inputs.b);
  const isPlain = batch === 1 && !attrs.transposeA && !attrs.transposeB;
  if (batch === undefined || isPlain) return stock(call);
  const [m, k, n] = productSize(call);
  const isTiny = batch > 1 && m * k * n < MIN_MULTIPLICATIONS_PER_CALL;
  if (m * k * n === 0 || isTiny) return stock(call);
  return withScratch(backend, (scratch) => {
    const a = operand(scratch, { tensor: inputs.a, batch, isTransposed: attrs.transposeA });
    const b = operand(scratch, { tensor: inputs.b, batch, isTransposed: attrs.transposeB });
    const product = multiplyBatch({ backend, stock, batch }, a, b);
    return { ...product, shape: outputShape(inputs, m, n) };
  });
}

/** Number of products, or undefined if the stock kernel has to broadcast or refuse. */
export function commonBatch(a: tf.TensorInfo, b: tf.TensorInfo): number | undefined {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const batchA = sizeOf(a.shape.slice(0, -2));
  const batchB = sizeOf(b.shape.slice(0, -2));
  const batch = sizeOf(
    tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)),
  );
  return batchA === batch && batchB === batch ? batch : undefined;
}

export function productSize({ inputs: { a, b }, attrs }: MatMulCall): [number, number, number] {
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const inner = attrs.transposeA ? rowsA : columnsA;
  const innerB = attrs.transposeB ? columnsB : rowsB;
  // Leave mismatches, and so empty products, to the stock kernel and its error messages.
  if (inner !== innerB) return [0, 0, 0];
  return [attrs.transposeA ? columnsA : rowsA, inner, attrs.transposeB ? rowsB : columnsB];
}

export function outputShape({ a, b }: MatMulCall['inputs'], m: number, n: number): number[] {
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return [...batch, m, n];
}

function operand(
  scratch: Scratch,
  { tensor, batch, isTransposed }: { tensor: tf.TensorInfo; batch: number; isTransposed: boolean },
): Operand {
  const matrices = reshaped(tensor, [batch, ...tensor.shape.slice(-2)]);
  const plain = isTransposed ? scratch.run('Transpose', { x: matrices }, { perm: [0, 2, 1] }) : matrices;
  const [, rows, columns] = plain.shape as [number, number, number];
  return { tensor: plain, rows, columns };
}

function multiplyBatch(
  plan: { backend: WasmBackend; stock: MatMul; batch: number },
  a: Operand,
  b: Operand,
): tf.TensorInfo {
  const { backend, batch } = plan;
  if (batch === 1) return multiplyEntry(plan, { a, b, entry: 0 });
  const out = allocateFloats(backend, [batch, a.rows, b.columns]);
  for (let entry = 0; entry < batch; entry++) {
    const product = multiplyEntry(plan, { a, b, entry });
    borrowFloats(backend, out).set(borrowFloats(backend, product), entry * a.rows * b.columns);
    backend.disposeData(product.dataId);
  }
  return out;
}

function multiplyEntry(
  { backend, stock }: { backend: WasmBackend; stock: MatMul },
  { a, b, entry }: { a: Operand; b: Operand; entry: number },
): tf.TensorInfo {
  return withScratch(backend, (scratch) => {
    const inputs = { a: borrowEntry(scratch, a, entry), b: borrowEntry(scratch, b, entry) };
    return stock({ inputs, backend, attrs: { transposeA: false, transposeB: false } });
  });
}

function borrowEntry(scratch: Scratch, { tensor, rows, columns }: Operand, entry: number): tf.TensorInfo {
  return scratch.borrowWindow(tensor, entry * rows * columns, [1, rows, columns]);
}
