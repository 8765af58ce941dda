import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  byteLength,
  DTYPES,
  type DType,
  elementCount,
  type Tensor,
  wordsOf,
} from '../../../src/model/tensor.js';
import { elementsOf } from '../../../src/payload/delta/elements.js';
import { chooseModel, type TensorModel } from '../../../src/payload/delta/models.js';
import { createRandom, seededBytes, seededTensor } from '../../support.js';
import { type Pair, readRecord, type Split, writeRecord } from './records.js';

const DTYPE_NAMES = Object.keys(DTYPES) as DType[];

/** Shapes of 0 to 5 dimensions, most small; some of 2^12 elements and more, which may have lines. */
const shape = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 33, max: 70 }), fc.boolean())
      .map(([first, other, isTurned]) => (isTurned ? [other, 125, first] : [first, other, 125])),
  },
);

/**
 * How the next elements differ from the base's: which share changes, whether only in lower bits, and how many
 * of the lowest bits are 0 in 32 bits of both, or of the next ones.
 */
const change = fc.record({
  zeros: fc.constantFrom(0, 0, 1, 8, 13, 16, 22, 23),
  inBase: fc.boolean(),
  seed: fc.integer(),
  share: fc.constantFrom(0, 0.02, 0.5, 1),
  isSmall: fc.boolean(),
  isAny: fc.boolean(),
});

/** Base of ordinary or any elements, and a next of it: changed in some rows of 125 elements, or all. */
function pairOf(
  { name, dtype, shape }: Pick<Tensor, 'name' | 'dtype' | 'shape'>,
  how: { seed: number; share: number; isSmall: boolean; isAny: boolean; zeros: number; inBase: boolean },
): { tensor: Tensor; next: Uint8Array } {
  const ordinary = seededTensor(name, dtype, shape, how.seed);
  const bytes = how.isAny ? seededBytes(how.seed, byteLength(ordinary)) : ordinary.bytes;
  if (how.inBase) clearLowest(bytes, how.zeros);
  const next = bytes.slice();
  const size = DTYPES[dtype].bytes;
  const random = createRandom(how.seed + 1);
  for (let at = 0; at < next.length; at += size) {
    const isKept = Math.floor(at / size / 125) % 3 === how.seed % 3 || random() >= how.share * 2 ** 32;
    if (isKept) continue;
    for (let i = 0; i < size; i++) if (i === 0 || !how.isSmall) next[at + i] = random();
  }
  clearLowest(next, how.zeros);
  return { tensor: { ...ordinary, bytes }, next };
}

/** Clears the lowest bits of each word of 32 bits. */
function clearLowest(bytes: Uint8Array, zeros: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 4 <= bytes.length; at += 4)
    view.setUint32(at, (view.getUint32(at, true) >>> zeros) * 2 ** zeros, true);
}

/** Any way of coding a tensor that the format has, or the one that the package chooses. */
function modelOf({ tensor, next }: Omit<Pair, 'model'>): fc.Arbitrary<TensorModel> {
  const info = wordsOf(tensor);
  const elements = elementCount(info);
  const dimensions = info.shape.length;
  const isLarge = elements >= 2 ** 12;
  const [base, after] = [elementsOf(info, tensor.bytes.slice()), elementsOf(info, next.slice())];
  const scope = { form: base.form, first: 0, elements, ...(isLarge && { shape: info.shape }) };
  const { model } = chooseModel([{ pair: { base, next: after }, scope }]);
  const lines = fc.record({
    split: fc.nat({ max: Math.max(0, dimensions - 1) }),
    step: fc.integer({ min: 1, max: 8 }),
  });
  const any = fc
    .record({ isNew: fc.boolean(), isBased: fc.boolean(), lines: fc.option(lines, { nil: undefined }) })
    .map((each) => ({ ...each, lines: isLarge ? each.lines : undefined }));
  return fc.oneof(fc.constant(model), any);
}

const info = fc.record({ dtype: fc.constantFrom(...DTYPE_NAMES), shape });

const record: fc.Arbitrary<Pair[]> = fc
  .array(fc.tuple(info, change), { minLength: 1, maxLength: 4 })
  .chain((each) => {
    const pairs = each.map(([info, how], i) => pairOf({ ...info, name: `t${i}` }, how));
    return fc.tuple(...pairs.map((pair) => modelOf(pair).map((model) => ({ ...pair, model }))));
  });

/** Runs of any length, short ones among them. */
const split: fc.Arbitrary<Split> = fc.integer().map((seed) => {
  const random = createRandom(seed);
  return (left) => Math.min(left, 1 + (random() % (random() % 2 === 0 ? 9 : 6_000)));
});

test('any next of any base is read bit for bit, whatever the runs in which it is written and read', () => {
  fc.assert(
    fc.property(record, split, split, (pairs, written, read) => {
      const bytes = writeRecord(pairs, written);
      const tensors = pairs.map(({ tensor }) => tensor);
      expect(readRecord(bytes, tensors, read)).toEqual(pairs.map(({ next }) => next));
    }),
    { numRuns: 50 },
  );
});

test('the bytes of a record do not depend on the runs in which it is written, and are the same each time', () => {
  fc.assert(
    fc.property(record, split, (pairs, written) => {
      const bytes = writeRecord(pairs);
      expect(writeRecord(pairs, written)).toEqual(bytes);
      expect(writeRecord(pairs)).toEqual(bytes);
    }),
    { numRuns: 20 },
  );
});

test('tensors of several segments are read bit for bit', () => {
  const random = createRandom(5);
  const inRuns: Split = (left) => Math.min(left, 1 + (random() % 2 ** 17));
  for (const [dtype, how] of [
    ['int8', { seed: 1, share: 0.02, isSmall: true, isAny: true, zeros: 0, inBase: false }],
    ['bfloat16', { seed: 2, share: 0.5, isSmall: true, isAny: false, zeros: 0, inBase: false }],
  ] as const) {
    const pair = pairOf({ name: 'a', dtype, shape: [2_200, 125] }, how);
    for (const isNew of [false, true]) {
      const model = { isNew, isBased: !isNew, lines: { split: 1, step: 1 } };
      const bytes = writeRecord([{ ...pair, model }], inRuns);
      expect(readRecord(bytes, [pair.tensor], inRuns)).toEqual([pair.next]);
    }
  }
});
