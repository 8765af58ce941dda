import type * as tf from '@tensorflow/tfjs';
import { allocateFloats } from '../backend.js';
import {
  commonBatch,
  type MatMul,
  type MatMulCall,
  outputShape,
  productSize,
} from '../composed/batch-mat-mul.js';
import type { Simd } from './module.js';

/** Rows from which a product is faster here than in the stock kernel, which keeps second operands packed. */
const MIN_ROWS = 8;

/** Products of float matrices, transposed or not. */
export function simdMatMul(call: MatMulCall, simd: Simd, otherwise: MatMul): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const batch = commonBatch(inputs.a, inputs.b);
  const [m, k, n] = productSize(call);
  const isPlain = !attrs.transposeA && !attrs.transposeB;
  if (batch === undefined || m * k * n === 0 || (isPlain && batch === 1 && m < MIN_ROWS))
    return otherwise(call);
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
