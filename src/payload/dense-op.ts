import { elementCount, type TensorInfo } from '../model/index.js';
import { BitReader, BitWriter } from './bits.js';
import { corrupt } from './corrupt.js';
import type { DenseOp } from './diff.js';
import { checkScale, FieldReader, FieldWriter } from './fields.js';
import { MAX_LEVEL_BITS } from './limits.js';

/** @returns the record of a dense op */
export function encodeDenseOp(op: DenseOp): Uint8Array {
  const writer = new BitWriter();
  const offset = 2 ** (op.bits - 1) - 1;
  for (const level of op.levels) writer.write(level + offset, op.bits);
  return new FieldWriter().uint8(op.bits).float32(op.scale).finish(writer.finish());
}

/** @returns the bytes that a dense op's record takes */
export function denseOpBytes(elements: number, bits: number): number {
  return 1 + 4 + Math.ceil((elements * bits) / 8);
}

/**
 * Reads the record of a dense op.
 *
 * @param record the record
 * @param info the tensor that the header names for it
 * @returns the op, one level an element
 * @throws NeuralDiffError `corrupt-payload`
 */
export function decodeDenseOp(record: Uint8Array, info: TensorInfo): DenseOp {
  const fields = new FieldReader(record);
  const bits = fields.uint8();
  const scale = checkScale(fields.float32(), info);
  if (bits < 2 || bits > MAX_LEVEL_BITS)
    throw corrupt(`expected levels of 2 to ${MAX_LEVEL_BITS} bits, got ${bits}`);
  const elements = elementCount(info);
  if (record.length !== denseOpBytes(elements, bits)) {
    throw corrupt(
      `expected ${denseOpBytes(elements, bits)} bytes for tensor "${info.name}", got ${record.length}`,
    );
  }
  const reader = new BitReader(fields.borrowRest());
  const offset = 2 ** (bits - 1) - 1;
  const levels = new Int8Array(elements);
  for (let i = 0; i < elements; i++) {
    const code = reader.read(bits);
    if (code > 2 * offset) throw corrupt(`a level of tensor "${info.name}" is out of range`);
    levels[i] = code - offset;
  }
  reader.expectEnd();
  return { kind: 'dense', tensor: info.name, bits, scale, levels };
}
