import { byteLength, DTYPES, type DType, type Model, type Tensor } from '../src/model/index.js';
import type { Diff, Meta, Op } from '../src/payload/index.js';
import { xxh32 } from '../src/payload/placement.js';

/** A base and a diff that every reader must apply. */
export interface Accepted {
  readonly base: Model;
  readonly diff: Diff;
  readonly meta?: Meta;
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

const float32 = (name: string, bits: number[]): Tensor => ({
  name,
  dtype: 'float32',
  shape: [bits.length],
  bytes: new Uint8Array(Uint32Array.from(bits).buffer),
});

const sparse = (tensor: string, changes: [position: number, level: number][], fields = {}): Op => ({
  kind: 'sparse',
  tensor,
  positions: Uint32Array.from(changes, ([position]) => position),
  levels: Int16Array.from(changes, ([, level]) => level),
  bits: 4,
  scale: 0.125,
  ...fields,
});

const dense = (tensor: string, bits: number, levels: number[]): Op => ({
  kind: 'dense',
  tensor,
  bits,
  scale: 2 ** -bits,
  levels: Int8Array.from(levels),
});

const hash = (
  tensors: [tensor: string, scale: number][],
  fields: Pick<Op & { kind: 'hash' }, 'buckets'>,
): Op => ({
  kind: 'hash',
  tensors: tensors.map(([tensor, scale]) => ({ tensor, scale })),
  seed: 0x9e3779b9,
  block: 3,
  ...fields,
});

const digits = (coding: 'ternary' | 'sign', values: number[]) => ({
  buckets: { coding, values: Int8Array.from(values) },
});
const floats = (...values: number[]) => ({
  buckets: { coding: 'float' as const, values: Float32Array.from(values) },
});

const two: Model = {
  tensors: [
    seeded('dense/bias', 'float32', { shape: [4], seed: 1 }),
    seeded('dense/kernel', 'float32', { shape: [3, 4], seed: 2 }),
  ],
};
const both = (scale: number): [string, number][] => [
  ['dense/bias', scale],
  ['dense/kernel', 2 * scale],
];
const sparseKernel = sparse('dense/kernel', [
  [0, -8],
  [5, 3],
  [11, 8],
]);
const dtypes = (Object.keys(DTYPES) as DType[]).sort();
const everyDtype: Model = {
  tensors: dtypes.map((dtype, i) => seeded(dtype, dtype, { shape: [2, 6], seed: 10 + i })),
};

/** The payloads that every reader must apply; the names are folders. */
export const ACCEPTED: Readonly<Record<string, Accepted>> = {
  'no-ops': { base: two, diff: { ops: [] } },
  sparse: { base: two, diff: { ops: [sparseKernel] }, meta: { kind: 'sparse', step: 300 } },
  'sparse-one-bit-levels': {
    base: two,
    diff: {
      ops: [
        sparse(
          'dense/bias',
          [
            [1, 1],
            [2, -1],
            [3, 1],
          ],
          { bits: 1 },
        ),
      ],
    },
  },
  'dense-4-bits': {
    base: two,
    diff: { ops: [dense('dense/kernel', 4, [-7, -6, -5, -4, -3, -2, 0, 1, 2, 3, 5, 7])] },
  },
  'dense-8-bits': { base: two, diff: { ops: [dense('dense/bias', 8, [-127, 0, 1, 127])] } },
  'hash-float': { base: two, diff: { ops: [hash(both(1), floats(0.5, -0.25, 0, 1.1, -3e-5))] } },
  'hash-ternary': {
    base: two,
    diff: { ops: [hash(both(0.25), digits('ternary', [1, 0, -1, -1, 1, 1, 0]))] },
  },
  'hash-sign': {
    base: two,
    diff: { ops: [hash(both(0.25), digits('sign', [1, -1, -1, 1, -1, 1, 1, 1, -1]))] },
  },
  'block-longer-than-the-buckets': {
    base: two,
    diff: {
      ops: [
        {
          ...(hash([['dense/kernel', 0.5]], digits('sign', [1, 1, -1])) as Op & { kind: 'hash' }),
          block: 10,
        },
      ],
    },
  },
  'several-ops-on-one-tensor': {
    base: two,
    diff: {
      ops: [
        dense('dense/kernel', 3, [3, 2, 1, 0, -1, -2, -3, 0, 1, 2, 3, -3]),
        sparseKernel,
        hash(both(0.1), floats(1, -1)),
        sparse('dense/kernel', [[0, 1]], { bits: 1, scale: 1e-7 }),
      ],
    },
  },
  'every-dtype': {
    base: everyDtype,
    diff: {
      ops: [
        hash(
          dtypes.map((dtype) => [dtype, DTYPES[dtype].kind === 'float' ? 0.375 : 100]),
          digits('ternary', [1, -1, 0, 1, -1, -1]),
        ),
        ...dtypes.map((dtype, i) =>
          sparse(
            dtype,
            [
              [i, 7],
              [11, -8],
            ],
            { scale: DTYPES[dtype].kind === 'float' ? 1.5 : 9 },
          ),
        ),
      ],
    },
  },
  'scalar-and-empty': {
    base: {
      tensors: [
        seeded('empty', 'float16', { shape: [0, 3], seed: 1 }),
        seeded('scalar', 'bfloat16', { shape: [], seed: 2 }),
      ],
    },
    diff: {
      ops: [
        dense('empty', 2, []),
        dense('scalar', 2, [-1]),
        hash(
          [
            ['empty', 1],
            ['scalar', 1],
          ],
          digits('sign', [1]),
        ),
      ],
    },
  },
  'names-beyond-ascii': {
    base: {
      tensors: ['größe', 'größer', 'z～', 'z😀a', 'z😀b', '重み'].map((name, i) =>
        seeded(name, 'int8', { shape: [2], seed: i }),
      ),
    },
    diff: { ops: [sparse('z😀b', [[1, 1]], { scale: 1 }), sparse('größe', [[0, -1]], { scale: 1 })] },
    meta: { note: 'Grüße' },
  },
  'bits-left-alone': {
    base: { tensors: [float32('a', [0x7f800001, 0xffc12345, 0x80000000, 1, 0xff800000, 0x3f800000])] },
    diff: { ops: [dense('a', 2, [0, 0, 0, 0, 0, 1])] },
  },
  'results-beyond-the-numbers': {
    base: {
      tensors: [float32('a', [0x7f800001, 0xffc12345, 0x7f7fffff, 0xff7fffff, 0x80000000, 0xbf800000])],
    },
    diff: {
      ops: [
        sparse(
          'a',
          [
            [0, 1],
            [1, 1],
            [2, 8],
            [3, -8],
            [4, 1],
            [5, 1],
          ],
          { scale: 2 ** 96 },
        ),
        hash([['a', 2 ** 96]], floats(3e38)),
      ],
    },
  },
  'record-of-300-bytes': {
    base: { tensors: [seeded('a', 'uint8', { shape: [3], seed: 1 })] },
    diff: {
      ops: [
        hash(
          [['a', 1]],
          digits(
            'ternary',
            Array.from({ length: 1_415 }, (_, i) => (xxh32(i, 3) % 3) - 1),
          ),
        ),
      ],
    },
  },
};
