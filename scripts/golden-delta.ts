import { concatBytes } from '../src/model/bytes.js';
import { DTYPES, type DType, type Model, type Tensor } from '../src/model/tensor.js';
import type { TensorModel } from '../src/payload/delta/models.js';
import type { Op, SetOp } from '../src/payload/diff.js';
import { encodeRecords } from '../src/payload/encode-records.js';
import { patchRange } from '../src/payload/patch.js';
import { xxh32 } from '../src/payload/placement.js';
import {
  encodeDelta,
  type ForgedToken,
  forgeNames,
  forgeSegment,
  headWith,
  joinRecord,
  joinSegment,
  scopeOf,
  weights,
} from './forge-delta.js';
import { type Accepted, type Change, dense, exact, float32, seeded, set } from './golden-samples.js';

const DIFFERENCES: TensorModel = { isNew: false, isBased: true };
const NEW: TensorModel = { isNew: true, isBased: false };

const zeros = (name: string, dtype: DType, shape: number[]): Tensor => {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { name, dtype, shape, bytes: new Uint8Array(elements * DTYPES[dtype].bytes) };
};

/** @returns the elements of a tensor, some of them moved */
function moved(tensor: Tensor, changes: readonly Change[]): Uint8Array {
  const bytes = tensor.bytes.slice();
  patchRange([exact(tensor.name, changes)], tensor, { startElement: 0, bytes });
  return bytes;
}

/** A small change for each of some elements, from a seed; most of them none. */
function someChanges(positions: readonly number[], seed: number): Change[] {
  return positions.flatMap((at): Change[] => {
    const bits = xxh32(at, seed);
    return bits % 4 === 0 ? [[at, (bits & 16 ? -1 : 1) * (1 + ((bits >>> 8) % 60))]] : [];
  });
}

const upTo = (count: number, step = 1): number[] => Array.from({ length: count }, (_, i) => i * step);

const delta = (tensor: string, bytes: Uint8Array): SetOp => ({ kind: 'delta', tensor, bytes });

/** One delta record: for some tensors of a base their new bytes and how they are coded. */
function oneRecord(
  tensors: readonly Tensor[],
  next: readonly (readonly [string, Uint8Array, TensorModel])[],
): Accepted {
  const base = { tensors };
  const bytes = encodeDelta(
    base,
    next.map(([tensor, bytes, model]) => ({ tensor, bytes, model })),
  );
  return {
    base,
    diff: { ops: next.map(([name, elements]) => delta(name, elements)) },
    records: [{ kind: 'delta', bytes }],
  };
}

/** A tensor of which some rows change, by what its positions and seed give. */
const inLines = (tensor: Tensor, changes: readonly Change[], model: TensorModel): Accepted =>
  oneRecord([tensor], [[tensor.name, moved(tensor, changes), model]]);

const dtypes = (Object.keys(DTYPES) as DType[]).sort();
const everyDtype = dtypes.map((dtype, i) => seeded(dtype, dtype, { shape: [5, 8], seed: 70 + i }));

/** Zeros, numbers that are none, infinities, subnormals, and magnitudes of every size. */
const SPECIAL = {
  float32: [0, 0x80000000, 0x7fc00000, 0x7f800000, 0xff800000, 0xff812345, 1, 0x80000001, 0x7fffff, 0x800000],
  float16: [0, 0x8000, 0x7e00, 0x7c00, 0xfc00, 0xfd23, 1, 0x8001, 0x3ff, 0x400],
  bfloat16: [0, 0x8000, 0x7fc0, 0x7f80, 0xff80, 0xff81, 1, 0x8001, 0x7f, 0x80],
};

/** Elements of which most have the exponents around 1, and some any other. */
function anyFloats(dtype: keyof typeof SPECIAL): Uint8Array {
  const { w, F } = { float32: { w: 32, F: 23 }, float16: { w: 16, F: 10 }, bfloat16: { w: 16, F: 7 } }[dtype];
  const exponents = 2 ** (w - 1 - F);
  const words = Array.from({ length: 400 }, (_, i) => {
    const bits = xxh32(i, 90);
    const exponent = i % 50 === 7 ? bits % exponents : exponents / 2 - 1 - (bits % 8);
    return (xxh32(i, 91) % 2) * 2 ** (w - 1) + exponent * 2 ** F + (xxh32(i, 92) % 2 ** F);
  });
  const all = [...SPECIAL[dtype], ...words];
  return new Uint8Array((w === 32 ? Uint32Array.from(all) : Uint16Array.from(all)).buffer);
}

const anyTensors = (['bfloat16', 'float16', 'float32'] as const).map((dtype) => zeros(dtype, dtype, [410]));

const large = zeros('a', 'uint8', [2_050, 256]);
/** Changes of the first 16 columns of a row, and of some in rows of the second and third segment. */
const inSegments: Change[] = [
  ...upTo(16).map((column): Change => [5 * 256 + column, 1 + column]),
  ...someChanges(
    [1_024, 1_030, 1_800, 2_048, 2_049].flatMap((row) => upTo(16).map((column) => row * 256 + column)),
    86,
  ),
];

const half: Tensor = {
  ...zeros('half', 'float16', [64, 64]),
  bytes: zeros('half', 'float16', [64, 64]).bytes.fill(0x3c, 3 * 128, 12 * 128),
};
const halfChanges = someChanges(
  upTo(8 * 64)
    .map((i) => 4 * 64 + i)
    .filter((i) => i % 64 < 40),
  81,
);

/** Small tensors of several dtypes, with one between them that is not small. */
const small: readonly Tensor[] = [
  seeded('a', 'uint8', { shape: [], seed: 1 }),
  seeded('b', 'float8_e5m2', { shape: [3, 4], seed: 2 }),
  seeded('c', 'uint8', { shape: [2, 2, 2], seed: 3 }),
  seeded('d', 'int16', { shape: [9], seed: 4 }),
  seeded('e', 'int16', { shape: [2, 5], seed: 5 }),
  zeros('f', 'int16', [2_048, 2]),
  seeded('g', 'int16', { shape: [3], seed: 6 }),
  seeded('h', 'float64', { shape: [4], seed: 7 }),
  seeded('i', 'uint32', { shape: [4], seed: 8 }),
  { ...seeded('j', 'float32', { shape: [0, 4], seed: 9 }) },
  seeded('k', 'uint32', { shape: [1, 3], seed: 10 }),
];

const movedBy = (tensor: Tensor, seed: number): Uint8Array =>
  moved(tensor, someChanges(upTo(tensor.bytes.length / DTYPES[tensor.dtype].bytes), seed));

/** 18 tensors of 4,095 elements, of which 16 share a segment, and two the next one. */
const many = upTo(18).map((i) => zeros(`a${String.fromCharCode(97 + i)}`, 'uint16', [4_095]));

/** Four delta records that are read at the same time, each with two of eight tensors. */
function atATime(): Accepted {
  const tensors = upTo(8).map((i) => seeded(`a${i}`, 'int8', { shape: [6], seed: 30 + i }));
  const next = tensors.map((tensor, i) => movedBy(tensor, 40 + i));
  const base = { tensors };
  const pair = (i: number): number[] => [i, i + 4];
  return {
    base,
    diff: { ops: upTo(4).flatMap((i) => pair(i).map((at) => delta(`a${at}`, next[at] as Uint8Array))) },
    records: upTo(4).map((i) => ({
      kind: 'delta',
      bytes: encodeDelta(
        base,
        pair(i).map((at) => ({ tensor: `a${at}`, bytes: next[at] as Uint8Array, model: DIFFERENCES })),
      ),
    })),
  };
}

/** Records of other kinds before the delta record, on other tensors, and behind it, on the same ones. */
function amongOthers(): Accepted {
  const base: Model = {
    tensors: [
      seeded('a', 'float32', { shape: [3, 4], seed: 1 }),
      seeded('b', 'float32', { shape: [6], seed: 2 }),
      seeded('c', 'int16', { shape: [5], seed: 3 }),
    ],
  };
  const [a, b, c] = base.tensors as [Tensor, Tensor, Tensor];
  const levels = [3, -2, 0, 1, 0, 7];
  const before = [dense('b', levels, 0.125)];
  const within = [delta('a', movedBy(a, 5)), delta('c', movedBy(c, 6))];
  const behind = [
    set('b', new Uint8Array(b.bytes).fill(0x41)),
    dense('a', [...levels, ...levels], 0.25),
    dense('c', levels.slice(1), 300),
  ];
  const record = encodeDelta(
    base,
    within.map(({ tensor, bytes }) => ({ tensor, bytes, model: DIFFERENCES })),
  );
  const others = (ops: readonly Op[]) => encodeRecords(ops, base.tensors);
  return {
    base,
    diff: { ops: [...before, ...within, ...behind] },
    records: [...others(before), { kind: 'delta', bytes: record }, ...others(behind)],
  };
}

/** Tokens of new elements that no writer chooses: magnitudes whole that have a class, and a zero below 0. */
function otherTokens(): Accepted {
  const tensors = [zeros('a', 'float16', [4]), zeros('b', 'int16', [4]), zeros('c', 'uint16', [3])];
  const newOf = (tensor: Tensor, top: number, elements: ForgedToken[]): Uint8Array => {
    const used = Object.fromEntries(elements.map(({ token }) => [token, 5]));
    const head = headWith({ isNew: true, top, precision: 0, weights: [weights({ ...used })] });
    return joinSegment(forgeSegment(scopeOf(tensor, false), head, elements));
  };
  const floats = newOf(tensors[0] as Tensor, 40, [
    { token: 2, raw: 0x3c01 },
    { token: 3, raw: 0 },
    { token: 1 },
    { token: 4 * 62 + 3, raw: 0x1ff },
  ]);
  const signed = newOf(tensors[1] as Tensor, 62, [
    { token: 1 },
    { token: 4 * 16 + 3, raw: 0x3fff },
    { token: 4 * 16 + 2, raw: 0x3fff },
    { token: 5 },
  ]);
  const unsigned = newOf(tensors[2] as Tensor, 62, [{ token: 0 }, { token: 4 }, { token: 66, raw: 0x3fff }]);
  const record = joinRecord(forgeNames(tensors, 'a', 'b', 'c'), floats, signed, unsigned);
  const words = [
    [0x3c01, 0x8000, 0x8000, (30 << 10) | 0x83ff],
    [0, 1, 0xffff, 0xffff],
    [0, 1, 0xffff],
  ];
  const ops = words.map((each, i) =>
    delta((tensors[i] as Tensor).name, new Uint8Array(Uint16Array.from(each).buffer)),
  );
  return { base: { tensors }, diff: { ops }, records: [{ kind: 'delta', bytes: record }] };
}

/** Contexts of which some have the frequencies of the one before, and more of them than levels. */
function sharedFrequencies(): Accepted {
  const base = Uint16Array.from({ length: 24 }, (_, i) => 2 ** (i % 16));
  const tensor: Tensor = { ...zeros('a', 'uint16', [24]), bytes: new Uint8Array(base.buffer) };
  const own = upTo(64).map((i) =>
    i % 5 === 0 ? weights({ 0: 1 + i, 4: 60 - i / 2, 5: 3, 8: 1 }) : undefined,
  );
  const elements = [...base].map((_, i) => {
    const token = [0, 4, 5, 8][xxh32(i, 7) % 4] as number;
    return { token, context: Math.max(0, 2 * (1 + (i % 16)) - 9) };
  });
  const head = headWith({ isBased: true, origin: 9, precision: 2, weights: own });
  const record = joinRecord(
    forgeNames([tensor], 'a'),
    joinSegment(forgeSegment(scopeOf(tensor, false), head, elements)),
  );
  const step = { 0: 0, 4: 1, 5: -1, 8: 2 } as Readonly<Record<number, number>>;
  const next = base.map((word, i) => word + (step[(elements[i] as ForgedToken).token] as number));
  const ops = [delta('a', new Uint8Array(next.buffer))];
  return { base: { tensors: [tensor] }, diff: { ops }, records: [{ kind: 'delta', bytes: record }] };
}

/** Differences as large as the dtype has them, and as steps beyond its ends. */
const wraps = (): Accepted => {
  const float = float32('a', [0, 0x80000000, 0x7fffffff, 0xffffffff, 0x3f800000, 0xbf800000]);
  const int: Tensor = {
    ...zeros('b', 'int32', [6]),
    bytes: new Uint8Array(Int32Array.of(2 ** 31 - 1, -(2 ** 31), -1, 0, 5, -5).buffer),
  };
  const most: Change[] = [-(2 ** 31), 2 ** 31 - 1, 1, -1, 2 ** 30, -(2 ** 30)].map((by, at) => [at, by]);
  return oneRecord(
    [float, int],
    [
      ['a', moved(float, most), DIFFERENCES],
      ['b', moved(int, most), DIFFERENCES],
    ],
  );
};

/** @returns floats whose lowest bits are 0 */
function shorter(tensor: Tensor, zeros: number): Tensor {
  const words = new Uint32Array(tensor.bytes.slice().buffer).map((word) => (word >>> zeros) * 2 ** zeros);
  return { ...tensor, bytes: new Uint8Array(words.buffer) };
}

const lines = (split: number, step = 1) => ({ split, step });
const deep = zeros('a', 'float64', [2, 2, 2, 2, 2, 2, 2, 32]);
const still = zeros('a', 'int8', [64, 65]);
const alike = seeded('b', 'uint16', { shape: [20], seed: 88 });

/** Payloads with delta records; the names are folders. */
export const DELTAS: Readonly<Record<string, Accepted>> = {
  'delta-every-dtype': oneRecord(
    everyDtype,
    everyDtype.map((tensor, i) => [tensor.name, movedBy(tensor, 100 + i), DIFFERENCES]),
  ),
  'delta-in-parts': {
    ...oneRecord(
      everyDtype,
      everyDtype.map((tensor, i) => [tensor.name, movedBy(tensor, 100 + i), DIFFERENCES]),
    ),
    partBytes: 333,
  },
  'delta-new-every-dtype': oneRecord(
    everyDtype,
    everyDtype.map((tensor, i) => [
      tensor.name,
      movedBy(tensor, 120 + i),
      { isNew: true, isBased: i % 2 === 0 },
    ]),
  ),
  'delta-new-floats': oneRecord(
    anyTensors,
    anyTensors.map(({ name }) => [name, anyFloats(name as keyof typeof SPECIAL), NEW]),
  ),
  'delta-between-any-floats': oneRecord(
    anyTensors.map((tensor) => ({ ...tensor, bytes: anyFloats(tensor.name as keyof typeof SPECIAL) })),
    anyTensors.map(({ name }) => {
      const bytes = anyFloats(name as keyof typeof SPECIAL);
      const size = name === 'float32' ? 4 : 2;
      return [name, concatBytes([bytes.subarray(3 * size), bytes.subarray(0, 3 * size)]), DIFFERENCES];
    }),
  ),
  'delta-shorter-floats': oneRecord(
    [13, 16, 22, 8].map((zeros) =>
      shorter(seeded(`z${zeros}`, 'float32', { shape: [6, 700], seed: zeros }), zeros),
    ),
    [13, 16, 22, 8].map((zeros, i) => {
      const next = seeded('', 'float32', { shape: [6, 700], seed: 100 + zeros });
      return [`z${zeros}`, shorter(next, zeros).bytes, i % 2 === 0 ? NEW : DIFFERENCES];
    }),
  ),
  'delta-beyond-the-ends': wraps(),
  'delta-in-lines': inLines(half, halfChanges, { ...DIFFERENCES, lines: lines(1, 2) }),
  'delta-in-lines-new': inLines(half, halfChanges, { isNew: true, isBased: true, lines: lines(1, 8) }),
  'delta-in-one-row': inLines(still, someChanges(upTo(64, 65), 84), { ...DIFFERENCES, lines: lines(0) }),
  'delta-in-lines-of-a-dimension-of-words': inLines(deep, someChanges(upTo(30, 67), 85), {
    ...DIFFERENCES,
    lines: lines(7),
  }),
  'delta-columns-repeated': inLines(large, inSegments, {
    ...DIFFERENCES,
    lines: lines(1),
  }),
  'delta-columns-not-repeated': inLines(large, [...inSegments, [2_049 * 256 + 100, 3]], {
    isNew: false,
    isBased: false,
    lines: lines(1),
  }),
  'delta-small-tensors': oneRecord(
    small,
    small
      .filter(({ name }) => name !== 'j')
      .map((tensor, i) => [tensor.name, movedBy(tensor, 50 + i), i === 5 ? NEW : DIFFERENCES]),
  ),
  'delta-segments-of-many-tensors': oneRecord(
    many,
    many.map((tensor, i) => [tensor.name, moved(tensor, [[i * 200, i - 9 || 1]]), DIFFERENCES]),
  ),
  'delta-no-words': oneRecord(
    [still, alike],
    [
      ['a', still.bytes, { ...DIFFERENCES, lines: lines(1) }],
      [
        'b',
        moved(
          alike,
          upTo(20).map((at): Change => [at, 5]),
        ),
        DIFFERENCES,
      ],
    ],
  ),
  'delta-records-at-a-time': atATime(),
  'delta-among-others': amongOthers(),
  'delta-other-tokens': otherTokens(),
  'delta-frequencies-shared': sharedFrequencies(),
};
