import fc from 'fast-check';
import {
  DTYPES,
  type DType,
  elementCount,
  type Model,
  type Tensor,
  totalElements,
  wordsOf,
} from '../../src/model/tensor.js';
import type {
  Buckets,
  DenseOp,
  Diff,
  ExactOp,
  HashOp,
  LowRankOp,
  Op,
  SetOp,
  SparseOp,
} from '../../src/payload/diff.js';
import { MAX_DENSE_LEVEL, MAX_SPARSE_LEVEL } from '../../src/payload/limits.js';
import { sidesOf } from '../../src/payload/low-rank-record.js';
import { wrapDifference } from '../../src/payload/ordered-bits.js';
import { roundScale } from '../../src/payload/record-head.js';
import { createRandom, seededBytes, seededTensor } from '../support.js';

const isInteger = ({ dtype }: Tensor): boolean => DTYPES[dtype].kind === 'integer';

/**
 * Scales that a tensor may have: whole numbers for integers, any upper half of a binary32 up to 2^96 for
 * floats.
 */
export function scaleOf(tensor: Tensor): fc.Arbitrary<number> {
  if (isInteger(tensor))
    return fc
      .oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 2 ** 24 - 1 }))
      .map(roundScale);
  const any = fc.float({ min: 2 ** -133, max: 2 ** 96, noNaN: true });
  return fc.oneof(fc.float({ min: 2 ** -10, max: 2, noNaN: true }), any).map(roundScale);
}

/** Positions and levels up to `most`, for a tensor with at least one element. */
export function sparseValues(
  elements: number,
  most: number,
): fc.Arbitrary<{ positions: Uint32Array; levels: number[] }> {
  const magnitude = fc.integer({ min: 1, max: most });
  const level = fc.tuple(magnitude, fc.boolean()).map(([size, negative]) => (negative ? -size : size));
  const position = fc.integer({ min: 0, max: elements - 1 });
  return fc
    .uniqueArray(fc.tuple(position, level), { selector: ([at]) => at, minLength: 1, maxLength: 40 })
    .map((pairs) => pairs.sort(([a], [b]) => a - b))
    .map((pairs) => ({
      positions: Uint32Array.from(pairs, ([at]) => at),
      levels: pairs.map(([, size]) => size),
    }));
}

export function sparseOp(tensor: Tensor): fc.Arbitrary<SparseOp> {
  return fc
    .constantFrom(1, 2, 4, 20, 300, MAX_SPARSE_LEVEL)
    .chain((most) => fc.record({ scale: scaleOf(tensor), values: sparseValues(elementCount(tensor), most) }))
    .map(({ scale, values: { positions, levels } }) => ({
      kind: 'sparse' as const,
      tensor: tensor.name,
      scale,
      positions,
      levels: Int16Array.from(levels),
    }));
}

/** Differences of any size that the tensor's elements have. */
export function exactOp(tensor: Tensor): fc.Arbitrary<ExactOp> {
  return sparseValues(elementCount(tensor), 2 ** 31).map(({ positions, levels }) => {
    const differences = Int32Array.from(levels, (level) => wrapDifference(tensor, level) || 1);
    return { kind: 'exact' as const, tensor: tensor.name, positions, levels: differences };
  });
}

/** Elements of any bits, or few different ones. */
export function setOp(tensor: Tensor): fc.Arbitrary<SetOp> {
  const length = tensor.bytes.length;
  const byte = fc.constantFrom(0, 255).chain((most) => fc.nat({ max: most }));
  return fc
    .array(byte, { minLength: length, maxLength: length })
    .map((bytes) => ({ kind: 'set' as const, tensor: tensor.name, bytes: Uint8Array.from(bytes) }));
}

export function denseOp(tensor: Tensor): fc.Arbitrary<DenseOp> {
  return fc.constantFrom(0, 1, 3, 14, 16, MAX_DENSE_LEVEL).chain((limit) => {
    const count = elementCount(tensor);
    const level = fc.integer({ min: -limit, max: limit });
    return fc
      .record({ scale: scaleOf(tensor), list: fc.array(level, { minLength: count, maxLength: count }) })
      .map(({ scale, list }) => ({
        kind: 'dense' as const,
        tensor: tensor.name,
        scale,
        levels: Int8Array.from(list),
      }));
  });
}

/** Ops of any split and rank, for a tensor of floats with elements. */
export function lowRankOp(tensor: Tensor): fc.Arbitrary<LowRankOp> {
  const list = (length: number, most: number) =>
    fc.array(fc.integer({ min: -most, max: most }), { minLength: length, maxLength: length });
  return fc.nat({ max: Math.max(0, tensor.shape.length - 1) }).chain((split) => {
    const { rows, columns, most } = sidesOf(tensor, split);
    const rank = fc.integer({ min: 1, max: Math.min(most, 5) });
    return fc.tuple(rank, fc.constantFrom(0, 1, 100, MAX_SPARSE_LEVEL)).chain(([rank, level]) =>
      fc
        .record({
          scales: fc.array(scaleOf(tensor), { minLength: rank, maxLength: rank }),
          columns: list(rank * columns, level),
          rows: list(rows * rank, level),
        })
        .map((lists) => ({
          kind: 'low-rank' as const,
          tensor: tensor.name,
          split,
          scales: Float32Array.from(lists.scales),
          columns: Int16Array.from(lists.columns),
          rows: Int16Array.from(lists.rows),
        })),
    );
  });
}

export function buckets(coding: Buckets['coding'], maxLength = 30): fc.Arbitrary<Buckets> {
  const size = { minLength: 1, maxLength };
  if (coding === 'float') {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true });
    return fc.array(value, size).map((list) => ({ coding, values: Float32Array.from(list) }));
  }
  const level = fc.oneof(
    fc.integer({ min: -1, max: 1 }),
    fc.integer({ min: -MAX_DENSE_LEVEL, max: MAX_DENSE_LEVEL }),
  );
  return fc.array(level, size).map((list) => ({ coding, values: Int8Array.from(list) }));
}

/** A hash op over some of the tensors, which are in canonical order. */
export function hashOp(tensors: readonly Tensor[]): fc.Arbitrary<HashOp> {
  return fc.subarray([...tensors], { minLength: 1 }).chain((chosen) => {
    const codings: Buckets['coding'][] = chosen.some(isInteger) ? ['levels'] : ['float', 'levels'];
    const most = Math.min(30, Math.max(1, totalElements(chosen)));
    return fc
      .record({
        seed: fc.nat({ max: 0xffffffff }),
        block: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 1_024 })),
        buckets: fc.constantFrom(...codings).chain((coding) => buckets(coding, most)),
        scales: fc.tuple(...chosen.map(scaleOf)),
      })
      .map(({ scales, ...op }) => ({
        kind: 'hash' as const,
        tensors: chosen.map(({ name }, i) => ({ tensor: name, scale: scales[i] as number })),
        ...op,
      }));
  });
}

/** A base of up to four small tensors in canonical order, and up to four ops on it. */
export const modelAndDiff: fc.Arbitrary<{ base: Model; diff: Diff }> = fc
  .array(
    fc.record({
      dtype: fc.constantFrom(...(Object.keys(DTYPES) as DType[])),
      shape: fc.array(fc.nat({ max: 6 }), { maxLength: 3 }),
      seed: fc.nat(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((list) => list.map(({ dtype, shape, seed }, i) => seededTensor(`weights/${i}`, dtype, shape, seed)))
  .filter((tensors) => totalElements(tensors) > 0)
  .chain((tensors) => {
    const words = tensors.map(wordsOf);
    const filled = words.filter((tensor) => elementCount(tensor) > 0);
    const named = [...filled.map(sparseOp), ...filled.map(exactOp)] as fc.Arbitrary<Op>[];
    const whole = [...words.map(denseOp), ...words.map(setOp)] as fc.Arbitrary<Op>[];
    const factored = filled.filter((tensor) => !isInteger(tensor)).map(lowRankOp);
    const op = fc.oneof(...named, ...whole, ...factored, hashOp(words));
    return fc.array(op, { maxLength: 4 }).map((ops) => ({ base: { tensors }, diff: { ops } }));
  });

const NAMES = ['a', 'b/kernel', 'b/重み'] as const;

/** A small model for the payloads below: two float tensors and one of integers. */
export function smallBase(): Model {
  return {
    tensors: [
      seededTensor(NAMES[0], 'float32', [6], 1),
      seededTensor(NAMES[1], 'float16', [2, 5], 2),
      seededTensor(NAMES[2], 'uint8', [7], 3),
    ],
  };
}

const sparse: SparseOp = {
  kind: 'sparse',
  tensor: NAMES[1],
  positions: Uint32Array.of(0, 4, 9),
  levels: Int16Array.of(-4, 1, 3),
  scale: 0.125,
};

const dense = (most: number): DenseOp => {
  const random = createRandom(most);
  const span = 2 * most + 1;
  const levels = Int8Array.from({ length: 6 }, () => (random() % span) - most);
  return { kind: 'dense', tensor: NAMES[0], scale: 2 ** -7, levels };
};

const hash = (buckets: Buckets): HashOp => ({
  kind: 'hash',
  tensors: NAMES.slice(0, buckets.coding === 'float' ? 2 : 3).map((tensor, i) => ({
    tensor,
    scale: i === 2 ? 3 : 0.5,
  })),
  seed: 0xdeadbeef,
  block: 3,
  buckets,
});

const lowRank: LowRankOp = {
  kind: 'low-rank',
  tensor: NAMES[1],
  split: 1,
  scales: Float32Array.of(0.125, 2 ** -9),
  columns: Int16Array.of(1, -2, 0, 3, 1, 100, 0, 0, -30, 7),
  rows: Int16Array.of(2, -20, 0, 300),
};

const float = hash({ coding: 'float', values: Float32Array.of(0.5, -1.25, 0, 3) });

/** One small diff of each kind, for the base above. */
export const SMALL_DIFFS: Readonly<Record<string, Diff>> = {
  empty: { ops: [] },
  sparse: { ops: [sparse] },
  'dense, small levels': { ops: [dense(7)] },
  'dense, any levels': { ops: [dense(127)] },
  'hash float': { ops: [float] },
  'hash ternary': { ops: [hash({ coding: 'levels', values: Int8Array.of(0, 1, -1, 1, 0, 0, -1) })] },
  'hash levels': { ops: [hash({ coding: 'levels', values: Int8Array.of(1, -1, -127, 20, 1) })] },
  set: { ops: [{ kind: 'set', tensor: NAMES[1], bytes: seededBytes(5, 20) }] },
  'low-rank': {
    ops: [
      lowRank,
      {
        ...lowRank,
        tensor: NAMES[0],
        split: 0,
        scales: Float32Array.of(2),
        columns: Int16Array.of(1, 2, 0, -4, 3, 5),
        rows: Int16Array.of(9),
      },
    ],
  },
  several: { ops: [float, sparse, { ...sparse, scale: 7 }, dense(3)] },
  'two in a record': { ops: [{ ...sparse, tensor: NAMES[0], positions: Uint32Array.of(0, 4, 5) }, sparse] },
};
