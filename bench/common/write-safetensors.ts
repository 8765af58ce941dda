import { writeFileSync } from 'node:fs';
import type { DType, Model } from '../../src/model/tensor.js';

/** Names of the format for the dtypes of trained models. */
const DTYPE_NAMES: Partial<Record<DType, string>> = { float32: 'F32', bfloat16: 'BF16', int32: 'I32' };

/**
 * Writes a model as a safetensors file.
 *
 * @param model of float32, bfloat16 and int32
 */
export function writeSafetensors(path: string, { tensors }: Model): void {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    const start = end;
    end += bytes.length;
    return [name, { dtype: DTYPE_NAMES[dtype], shape, data_offsets: [start, end] }];
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.alloc(8 + 8 * Math.ceil(text.length / 8), ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.write(text, 8);
  writeFileSync(path, Buffer.concat([header, ...tensors.map(({ bytes }) => bytes)]));
}
