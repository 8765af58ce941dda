import { DTYPES, type DType, type Model, type Tensor, wordsOf } from '../src/model/tensor.js';
import { xxh32 } from '../src/payload/placement.js';
import {
  type Accepted,
  biasAndKernel,
  dense,
  exact,
  float32,
  floats,
  hash,
  levels,
  lowRank,
  seeded,
  set,
  sparse,
} from './golden-samples.js';

const two = biasAndKernel();
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
/** @returns the dtype that ops see */
const seen = (dtype: DType): DType => wordsOf({ name: dtype, dtype, shape: [] }).dtype;
const INTEGERS = dtypes.filter((dtype) => seen(dtype) === dtype && DTYPES[dtype].kind === 'integer');

/** The largest and the least integer of a dtype, and those of all ones and of a one. */
function endsOf(dtype: DType): Tensor {
  const size = DTYPES[dtype].bytes;
  const top = dtype.startsWith('u') ? 0xff : 0x7f;
  const bytes = Uint8Array.from({ length: 6 * size }, (_, i) => {
    const isTop = i % size === size - 1;
    return [isTop ? top : 0xff, isTop ? 0xff - top : 0, 0, 0, 0xff, Number(i % size === 0)][
      Math.floor(i / size)
    ] as number;
  });
  return { name: dtype, dtype, shape: [6], bytes };
}

const isFloat = (dtype: DType): boolean => DTYPES[seen(dtype)].kind === 'float';

/** Levels of all sizes from a seed. */
const manyLevels = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => (xxh32(i, seed) % 65_535) - 32_767).map((level, i) =>
    Math.trunc(level / 2 ** (xxh32(i, seed + 1) % 16)),
  );

const zeros = (name: string, shape: number[]): Tensor => ({
  name,
  dtype: 'float32',
  shape,
  bytes: new Uint8Array(4 * shape.reduce((product, size) => product * size, 1)),
});

/** The payloads that every reader must apply, but for those of `golden-coding.ts`; the names are folders. */
export const ACCEPTED: Readonly<Record<string, Accepted>> = {
  'no-ops': { base: two, diff: { ops: [] } },
  sparse: { base: two, diff: { ops: [sparseKernel] }, meta: { kind: 'sparse', step: 300 } },
  'sparse-one-bit-levels': {
    base: two,
    diff: {
      ops: [
        sparse('dense/bias', [
          [1, 1],
          [2, -1],
          [3, 1],
        ]),
      ],
    },
  },
  'dense-4-bits': {
    base: two,
    diff: { ops: [dense('dense/kernel', [-7, -6, -5, -4, -3, -2, 0, 1, 2, 3, 5, 7])] },
  },
  'dense-8-bits': { base: two, diff: { ops: [dense('dense/bias', [-127, 0, 1, 127], 2 ** -8)] } },
  'hash-float': { base: two, diff: { ops: [hash(both(1), floats(0.5, -0.25, 0, 1.1, -3e-5))] } },
  'hash-ternary': { base: two, diff: { ops: [hash(both(0.25), levels(1, 0, -1, -1, 1, 1, 0))] } },
  'hash-sign': { base: two, diff: { ops: [hash(both(0.25), levels(1, -1, -1, 1, -1, 1, 1, 1, -1))] } },
  'hash-levels': {
    base: two,
    diff: { ops: [hash(both(2 ** -8), levels(127, -127, 0, 15, -14, 16, 0, 0, 1, -100))] },
  },
  'block-longer-than-the-buckets': {
    base: two,
    diff: { ops: [{ ...hash([['dense/kernel', 0.5]], levels(1, 1, -1)), block: 10 }] },
  },
  'several-ops-on-one-tensor': {
    base: two,
    diff: {
      ops: [
        dense('dense/kernel', [3, 2, 1, 0, -1, -2, -3, 0, 1, 2, 3, -3]),
        sparseKernel,
        hash(both(0.1015625), floats(1, -1)),
        sparse('dense/kernel', [[0, 1]], 2 ** -23),
      ],
    },
  },
  'every-dtype': {
    base: everyDtype,
    diff: {
      ops: [
        hash(
          dtypes.map((dtype) => [dtype, isFloat(dtype) ? 0.375 : 100]),
          levels(1, -1, 0, 1, -1, -1),
        ),
        ...dtypes.map((dtype, i) =>
          sparse(
            dtype,
            [
              [i % 11, 7],
              [11, -8],
            ],
            isFloat(dtype) ? 1.5 : 9,
          ),
        ),
      ],
    },
  },
  'exact-every-dtype': {
    base: everyDtype,
    diff: {
      ops: dtypes.map((dtype) => {
        const half = 2 ** (8 * DTYPES[seen(dtype)].bytes - 1);
        const list = [1, -1, half - 1, -half, 14, 15, -16, -3];
        return exact(
          dtype,
          list.map((level, i) => [i < 4 ? i : i + 3, level]),
        );
      }),
    },
  },
  'exact-bits': {
    base: {
      tensors: [
        float32(
          'a',
          [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00001, 0xffc12345, 1, 0x3f800000, 0x3f800000],
        ),
      ],
    },
    diff: {
      ops: [
        exact(
          'a',
          [-1, 1, 1, -1, -0x400001, 0x12345, -2, 0x407fffff, -0x7f000001].map((level, i) => [i, level]),
        ),
      ],
    },
  },
  'exact-behind-others': {
    base: two,
    diff: {
      ops: [
        sparseKernel,
        dense('dense/bias', [1, -1, 2, 0]),
        exact('dense/bias', [[3, 7]]),
        exact('dense/kernel', [
          [0, 1],
          [5, -(2 ** 31)],
        ]),
      ],
    },
  },
  'low-rank': {
    base: two,
    diff: {
      ops: [
        lowRank('dense/kernel', 1, [
          [0.125, 2 ** -9],
          [1, -2, 0, 3, 100, 0, 7, -30],
          [2, -20, 0, 5, -1, 300],
        ]),
      ],
    },
  },
  'low-rank-every-float': {
    base: {
      tensors: (['bfloat16', 'float16', 'float32'] as const).map((dtype, i) =>
        seeded(dtype, dtype, { shape: [2, 3, 4], seed: 50 + i }),
      ),
    },
    diff: {
      ops: [
        lowRank('bfloat16', 1, [[2 ** -20, 2 ** -24], manyLevels(24, 60), manyLevels(4, 61)]),
        lowRank('float16', 2, [[2 ** -22, 2 ** -26], manyLevels(8, 62), manyLevels(12, 63)]),
        lowRank('float32', 0, [[1.9921875 * 2 ** -30], manyLevels(24, 64), manyLevels(1, 65)]),
      ],
    },
  },
  'low-rank-rounding': {
    base: { tensors: [zeros('a', [17, 24])] },
    diff: {
      ops: [
        lowRank('a', 1, [
          Array.from({ length: 17 }, (_, k) => (1 + (k % 16) / 128) * 2 ** ((k % 5) - 2)),
          manyLevels(17 * 24, 66),
          manyLevels(17 * 17, 68),
        ]),
      ],
    },
  },
  'low-rank-beyond-the-numbers': {
    base: {
      tensors: [
        seeded('half', 'float16', { shape: [2, 3], seed: 54 }),
        seeded('scalar', 'bfloat16', { shape: [], seed: 55 }),
        {
          ...float32('whole', [0x7f800001, 0x80000000, 0x7f7fffff, 0xff7fffff, 1, 0x7f800000]),
          shape: [2, 3],
        },
      ],
    },
    diff: {
      ops: [
        lowRank('half', 1, [
          [2 ** 96, 2 ** 96],
          [32_767, 1, 0, 32_767, -1, 0],
          [32_767, -32_767, 32_767, 0],
        ]),
        lowRank('scalar', 0, [[2 ** -9], [-3], [5]]),
        lowRank('whole', 1, [
          [2 ** 96, 2 ** -133],
          [0, 0, 32_767, 0, -1, 1],
          [32_767, 1, 32_767, 0],
        ]),
        lowRank('whole', 1, [[2 ** 96], [0, 0, 32_767], [32_767, -32_767]]),
      ],
    },
  },
  'low-rank-among-others': {
    base: two,
    diff: {
      ops: [
        sparseKernel,
        lowRank('dense/kernel', 1, [[0.125], [1, -1, 0, 2], [1, 0, -1]]),
        lowRank('dense/kernel', 1, [[0.25], [1, 1, 0, 0], [0, 3, -1]]),
        exact('dense/kernel', [[7, -2]]),
      ],
    },
  },
  'set-every-dtype': {
    base: everyDtype,
    diff: {
      ops: everyDtype.tensors.map(({ name, dtype }) =>
        set(name, seeded('', dtype, { shape: [12], seed: 40 }).bytes),
      ),
    },
  },
  'set-any-bits': {
    base: { tensors: [float32('a', [0, 1, 2, 3, 4, 5]), seeded('b', 'float32', { shape: [0, 2], seed: 1 })] },
    diff: {
      ops: [
        set('a', float32('', [0x7fc00001, 0xffc12345, 0x80000000, 0xffffffff, 1, 0x7f800000]).bytes),
        set('b', new Uint8Array()),
      ],
    },
  },
  'record-of-no-bytes': {
    base: { tensors: [seeded('a', 'int8', { shape: [8], seed: 1 })] },
    diff: { ops: [set('a', new Uint8Array(8).fill(0xff))] },
  },
  'record-that-may-be-skipped': {
    base: two,
    diff: { ops: [sparseKernel] },
    later: [
      { code: 64, bytes: Uint8Array.of(0, 1, 0) },
      { code: 127, bytes: new Uint8Array() },
    ],
  },
  'records-on-one-tensor-at-most': {
    base: two,
    diff: {
      ops: Array.from({ length: 16 }, (_, i) =>
        i % 2 ? dense('dense/bias', [i, 0, -i, 1]) : sparse('dense/bias', [[i % 4, 1 + i]]),
      ),
    },
  },
  'set-among-others': {
    base: two,
    diff: {
      ops: [
        sparseKernel,
        set('dense/kernel', seeded('', 'float32', { shape: [12], seed: 41 }).bytes),
        dense('dense/kernel', [3, 2, 1, 0, -1, -2, -3, 0, 1, 2, 3, -3]),
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
        dense('empty', [], 0.25),
        dense('scalar', [-1], 0.25),
        hash(
          [
            ['empty', 1],
            ['scalar', 1],
          ],
          levels(1),
        ),
        sparse('scalar', [[0, 3]]),
      ],
    },
  },
  'names-beyond-ascii': {
    base: {
      tensors: ['größe', 'größer', 'z～', 'z😀a', 'z😀b', '重み'].map((name, i) =>
        seeded(name, 'int8', { shape: [2], seed: i }),
      ),
    },
    diff: { ops: [sparse('z😀b', [[1, 1]], 1), sparse('größe', [[0, -1]], 1)] },
    meta: { note: 'Grüße' },
  },
  'bits-left-alone': {
    base: { tensors: [float32('a', [0x7f800001, 0xffc12345, 0x80000000, 1, 0xff800000, 0x3f800000])] },
    diff: { ops: [dense('a', [0, 0, 0, 0, 0, 1], 0.25)] },
  },
  'results-beyond-the-numbers': {
    base: {
      tensors: [float32('a', [0x7f800001, 0xffc12345, 0x7f7fffff, 0xff7fffff, 0x80000000, 0xbf800000])],
    },
    diff: {
      ops: [
        sparse(
          'a',
          [1, 1, 8, -8, 1, 1].map((level, position) => [position, level]),
          2 ** 96,
        ),
        hash([['a', 2 ** 96]], floats(3e38)),
      ],
    },
  },
  'integers-at-their-ends': {
    base: { tensors: INTEGERS.map(endsOf) },
    diff: {
      ops: [
        ...INTEGERS.map((dtype) => dense(dtype, [1, -1, 127, -127, 127, -127], 2)),
        ...INTEGERS.map((dtype) => hash([[dtype, 255 * 2 ** 16]], levels(-127, 127))),
        ...INTEGERS.map((dtype) =>
          sparse(
            dtype,
            [
              [0, 32_767],
              [1, -32_767],
              [4, -32_767],
              [5, 32_767],
            ],
            255 * 2 ** 16,
          ),
        ),
      ],
    },
  },
  'record-of-300-bytes': {
    base: { tensors: [seeded('a', 'uint8', { shape: [1_500], seed: 1 })] },
    diff: {
      ops: [hash([['a', 1]], levels(...Array.from({ length: 1_415 }, (_, i) => (xxh32(i, 3) % 3) - 1)))],
    },
  },
};
