import { byteLength, DTYPES, type DType, type Model, type Tensor } from '../src/model/tensor.js';
import type {
  Buckets,
  DenseOp,
  Diff,
  ExactOp,
  HashOp,
  LowRankOp,
  Meta,
  SetOp,
  SparseOp,
} from '../src/payload/diff.js';
import type { EncodedRecord } from '../src/payload/encode-records.js';
import { xxh32 } from '../src/payload/placement.js';
import type { ChooseHead } from '../src/payload/sparse-writer.js';

/** A base and a diff that every reader must apply. */
export interface Accepted {
  readonly base: Model;
  readonly diff: Diff;
  readonly meta?: Meta;
  /**
   * Codes all ops, which are sparse, as one record and positions in this way, whatever the encoder would
   * choose.
   */
  readonly choose?: ChooseHead;
  /** The records that give these ops, in place of those that the encoder would choose. */
  readonly records?: readonly EncodedRecord[];
  /** Bytes of a part of a record, for records that are written in parts. */
  readonly partBytes?: number;
  /** Records of a later version, behind the others. */
  readonly later?: readonly { readonly code: number; readonly bytes: Uint8Array }[];
}

/** @returns a tensor with bytes from a seed; floats of ordinary size */
export function seeded(
  name: string,
  dtype: DType,
  { shape, seed }: { shape: number[]; seed: number },
): Tensor {
  const bytes = new Uint8Array(byteLength({ name, dtype, shape }));
  const step = DTYPES[dtype].bytes;
  const isFloat = DTYPES[dtype].kind === 'float';
  for (let i = 0; i < bytes.length; i++) {
    const byte = xxh32(i, seed) & 0xff;
    bytes[i] = isFloat && i % step === step - 1 ? (byte & 0x83) | 0x38 : byte;
  }
  return { name, dtype, shape, bytes };
}

/** @returns a vector of binary32 numbers, given in bits */
export const float32 = (name: string, bits: number[]): Tensor => ({
  name,
  dtype: 'float32',
  shape: [bits.length],
  bytes: new Uint8Array(Uint32Array.from(bits).buffer),
});

/** A position and its level. */
export type Change = readonly [position: number, level: number];

export const sparse = (tensor: string, changes: readonly Change[], scale = 0.125): SparseOp => ({
  kind: 'sparse',
  tensor,
  positions: Uint32Array.from(changes, ([position]) => position),
  levels: Int16Array.from(changes, ([, level]) => level),
  scale,
});

export const exact = (tensor: string, changes: readonly Change[]): ExactOp => ({
  kind: 'exact',
  tensor,
  positions: Uint32Array.from(changes, ([position]) => position),
  levels: Int32Array.from(changes, ([, level]) => level),
});

export const set = (tensor: string, bytes: Uint8Array): SetOp => ({ kind: 'set', tensor, bytes });

export const dense = (tensor: string, levels: number[], scale = 0.125): DenseOp => ({
  kind: 'dense',
  tensor,
  scale,
  levels: Int8Array.from(levels),
});

/** @param factors scales, then the levels of columns by rank, then those of rows by row */
export const lowRank = (
  tensor: string,
  split: number,
  factors: readonly [number[], number[], number[]],
): LowRankOp => {
  const [scales, columns, rows] = factors;
  return {
    kind: 'low-rank',
    tensor,
    split,
    scales: Float32Array.from(scales),
    columns: Int16Array.from(columns),
    rows: Int16Array.from(rows),
  };
};

export const hash = (tensors: readonly (readonly [string, number])[], buckets: Buckets): HashOp => ({
  kind: 'hash',
  tensors: tensors.map(([tensor, scale]) => ({ tensor, scale })),
  seed: 0x9e3779b9,
  block: 3,
  buckets,
});

export const levels = (...values: number[]): Buckets => ({
  coding: 'levels',
  values: Int8Array.from(values),
});

export const floats = (...values: number[]): Buckets => ({
  coding: 'float',
  values: Float32Array.from(values),
});

/** @returns a vector and a matrix of float32 */
export function biasAndKernel(): Model {
  return {
    tensors: [
      seeded('dense/bias', 'float32', { shape: [4], seed: 1 }),
      seeded('dense/kernel', 'float32', { shape: [3, 4], seed: 2 }),
    ],
  };
}
