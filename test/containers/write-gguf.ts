import type { DType, Model } from '../../src/model/tensor.js';
import { concat, seededBytes } from '../support.js';

export const encoder = new TextEncoder();

export const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
export const u64 = (value: number | bigint): Uint8Array =>
  new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
export const text = (value: string): Uint8Array =>
  concat(u64(encoder.encode(value).length), encoder.encode(value));
export const entry = (key: string, type: number, value: Uint8Array): Uint8Array =>
  concat(text(key), u32(type), value);

/** Keys of many types, lists of texts and lists of lists among them. */
export const ENTRIES = [
  entry('general.architecture', 8, text('tiny')),
  entry('flag', 7, Uint8Array.of(1)),
  entry('ratio', 12, seededBytes(1, 8)),
  entry('tokens', 9, concat(u32(8), u64(3), text('a'), text(''), text('ccc'))),
  entry('nested', 9, concat(u32(9), u64(2), u32(5), u64(1), u32(7), u32(0), u64(3), [1, 2, 3])),
];

/** A tensor of a file. */
export interface Draft {
  readonly name: string;
  /** Fastest dimension first. */
  readonly sizes: readonly (number | bigint)[];
  readonly type: number;
  readonly bytes: Uint8Array;
  /** Where the file says that it lies, unless there. */
  readonly offset?: number;
}

/** @returns a file of tensors and entries */
export function gguf(
  tensors: readonly Draft[],
  { entries = ENTRIES, version = 3, alignment = 32, tail = 0 } = {},
): Uint8Array {
  let data: Uint8Array = new Uint8Array(0);
  const infos = tensors.map(({ name, sizes, type, bytes, offset = data.length }) => {
    const padding = new Uint8Array((alignment - (bytes.length % alignment)) % alignment);
    data = concat(data, bytes, padding);
    return concat(text(name), u32(sizes.length), ...sizes.map(u64), u32(type), u64(offset));
  });
  const counts = concat(u64(tensors.length), u64(entries.length));
  const head = concat(encoder.encode('GGUF'), u32(version), counts, ...entries, ...infos);
  const padding = new Uint8Array((alignment - (head.length % alignment)) % alignment);
  return concat(head, padding, data, new Uint8Array(tail));
}

const NUMBERS: Partial<Record<DType, number>> = {
  float32: 0,
  float16: 1,
  bfloat16: 30,
  int8: 24,
  int16: 25,
  int32: 26,
  int64: 27,
  float64: 28,
};
/** @returns a model as a GGUF file; it has no plain bytes */
export const writeGguf = ({ tensors }: Model): Uint8Array =>
  gguf(
    tensors.map(({ name, dtype, shape, bytes }) => ({
      name,
      sizes: [...shape].reverse(),
      type: NUMBERS[dtype] as number,
      bytes,
    })),
  );
