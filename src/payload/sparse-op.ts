import { elementCount, type TensorInfo } from '../model/index.js';
import { corrupt } from './corrupt.js';
import type { SparseOp } from './diff.js';
import { checkScale, FieldReader, FieldWriter } from './fields.js';
import { MAX_LEVEL_BITS } from './limits.js';
import { decodeSparse, encodeSparse, sparseBytes } from './sparse-coding.js';

/** Bytes before the packed bits: count, bits, Rice parameter, scale. */
const FIELD_BYTES = 4 + 1 + 1 + 4;

/** @returns the record of a sparse op */
export function encodeSparseOp(op: SparseOp): Uint8Array {
  const { rice, body } = encodeSparse(op, op.bits);
  return new FieldWriter()
    .uint32(op.positions.length)
    .uint8(op.bits)
    .uint8(rice)
    .float32(op.scale)
    .finish(body);
}

/** @returns the bytes that a sparse op's record takes, without making it */
export function sparseOpBytes(positions: Uint32Array, bits: number): number {
  return FIELD_BYTES + sparseBytes(positions, bits);
}

/**
 * Reads the record of a sparse op.
 *
 * @param record the record
 * @param info the tensor that the header names for it
 * @returns the op, every position within the tensor
 * @throws NeuralDiffError `corrupt-payload`
 */
export function decodeSparseOp(record: Uint8Array, info: TensorInfo): SparseOp {
  const fields = new FieldReader(record);
  const count = fields.uint32();
  const bits = fields.uint8();
  const rice = fields.uint8();
  const scale = checkScale(fields.float32(), info);
  const elements = elementCount(info);
  if (count === 0 || count > elements) {
    throw corrupt(`expected 1 to ${elements} changed weights in tensor "${info.name}", got ${count}`);
  }
  if (bits === 0 || bits > MAX_LEVEL_BITS)
    throw corrupt(`expected levels of 1 to ${MAX_LEVEL_BITS} bits, got ${bits}`);
  const values = decodeSparse(fields.borrowRest(), { count, bits, rice, elements });
  return { kind: 'sparse', tensor: info.name, bits, scale, ...values };
}
