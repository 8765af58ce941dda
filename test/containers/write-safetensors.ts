import type { Model } from '../../src/model/tensor.js';
import { concat } from '../support.js';

const NAMES = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int8: 'I8',
  uint8: 'U8',
  int32: 'I32',
  int16: 'I16',
  uint16: 'U16',
  uint32: 'U32',
  int64: 'I64',
  uint64: 'U64',
  float64: 'F64',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
} as const;

/** @returns a model as a safetensors file, its header padded to eight bytes as the reference writer does */
export function writeSafetensors({ tensors }: Model, metadata?: Record<string, string>): Uint8Array {
  let at = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }): [string, unknown] => {
    const offsets = [at, at + bytes.length];
    at += bytes.length;
    return [name, { dtype: NAMES[dtype], shape, data_offsets: offsets }];
  });
  const header = Object.fromEntries([...(metadata ? [['__metadata__', metadata] as const] : []), ...entries]);
  return withHeader(JSON.stringify(header), ...tensors.map(({ bytes }) => bytes));
}

/** @returns a file of a header's text and bytes */
export function withHeader(text: string, ...bytes: Uint8Array[]): Uint8Array {
  const header = new TextEncoder().encode(text);
  const padded = new Uint8Array(8 * Math.ceil(header.length / 8)).fill(0x20);
  padded.set(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return concat(length, padded, ...bytes);
}
