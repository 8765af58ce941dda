import type { DType, Model, Tensor } from '../../src/model/tensor.js';
import { type FlatField, type FlatNode, writeFlat } from './flat-writer.js';

const encoder = new TextEncoder();

const TYPES: Partial<Record<DType, number>> = {
  float32: 0,
  float16: 1,
  int32: 2,
  uint8: 3,
  int64: 4,
  int16: 7,
  int8: 9,
  float64: 10,
  uint64: 12,
  uint32: 15,
  uint16: 16,
  bfloat16: 18,
};
export const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
export const u64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): FlatNode => ({
  bytes: encoder.encode(`${value}\0`),
  count: encoder.encode(value).length,
});
export const vector = (bytes: Uint8Array, count: number): FlatNode => ({ bytes, count });

/** A tensor's table; its buffer's number is from 1, as buffer 0 is always empty. */
export function tensorTable(
  { name, shape, dtype }: Omit<Tensor, 'bytes'>,
  buffer: number,
  {
    type = TYPES[dtype] as number,
    quantization = null,
    sparsity = null,
  }: { type?: number; quantization?: FlatField; sparsity?: FlatField } = {},
): FlatNode {
  const sizes = vector(new Uint8Array(Int32Array.from(shape).buffer), shape.length);
  const form = [sizes, Uint8Array.of(type, 0, 0, 0), u32(buffer), text(name), quantization];
  return { table: sparsity === null ? form : [...form, null, sparsity] };
}

export const bufferOf = (bytes: Uint8Array): FlatNode => ({ table: [vector(bytes, bytes.length)] });
export const subgraph = (...tensors: FlatNode[]): FlatNode => ({ table: [{ tables: tensors }] });

/** @returns a model; buffer 0 is empty */
export function tflite(subgraphs: readonly FlatNode[], buffers: readonly FlatNode[]): Uint8Array {
  const all = { tables: [bufferOf(new Uint8Array(0)), ...buffers] };
  return writeFlat({ table: [u32(3), null, { tables: subgraphs }, null, all] }, 'TFL3');
}

/** @returns a model as a TFLite file; none of its tensors may be empty */
export const writeTflite = ({ tensors }: Model): Uint8Array =>
  tflite(
    [subgraph(...tensors.map((tensor, i) => tensorTable(tensor, i + 1)))],
    tensors.map(({ bytes }) => bufferOf(bytes)),
  );
