import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bucketBytes, decodeBuckets, encodeBuckets } from '../../src/payload/bucket-coding.js';
import { decodeDenseOp, denseOpBytes, encodeDenseOp } from '../../src/payload/dense-op.js';
import { decodeHashOp, encodeHashOp, hashOpBytes } from '../../src/payload/hash-op.js';
import { decodeSparse, encodeSparse, sparseBytes } from '../../src/payload/sparse-coding.js';
import { decodeSparseOp, encodeSparseOp, sparseOpBytes } from '../../src/payload/sparse-op.js';
import { codeOf, offsetView, seededTensor } from '../support.js';
import { buckets, denseOp, hashOp, smallBase, sparseOp, sparseValues } from './samples.js';

const codings = ['float', 'ternary', 'sign'] as const;
const weights = seededTensor('weights', 'float32', [50]);

test('decodeSparse() gives back what encodeSparse() packed, in the size that sparseBytes() foretells', () => {
  const input = fc
    .tuple(fc.integer({ min: 1, max: 2 ** 20 }), fc.integer({ min: 1, max: 8 }))
    .chain(([elements, bits]) => fc.tuple(fc.constant({ elements, bits }), sparseValues(elements, bits)));
  fc.assert(
    fc.property(input, ([{ elements, bits }, values]) => {
      const { rice, body } = encodeSparse(values, bits);
      expect(body).toHaveLength(sparseBytes(values.positions, bits));
      const bounds = { count: values.positions.length, bits, rice, elements };
      expect(decodeSparse(offsetView(body), bounds)).toEqual(values);
    }),
  );
});

test('encodeSparse() takes the Rice parameter that gives the fewest bits', () => {
  const positions = Uint32Array.from({ length: 50 }, (_, i) => 1_000 * i);
  const values = { positions, levels: new Int16Array(50).fill(1) };
  // Gaps of 999: 9 bits and a quotient of 1 beat 8 bits and one of 3.
  expect(encodeSparse(values, 1).rice).toBe(9);
  const neighbours = { positions: Uint32Array.of(0, 1, 2, 3), levels: Int16Array.of(1, 1, -1, -1) };
  expect(encodeSparse(neighbours, 1)).toEqual({ rice: 0, body: Uint8Array.of(0b0000_0101) });
});

test('encodeSparse() writes quotient, remainder, sign and magnitude in that order', () => {
  const values = { positions: Uint32Array.of(5, 16), levels: Int16Array.of(-3, 4) };
  // Parameter 2: gap 5 is 10 01, level -3 is 1 10; gap 10 is 110 10, level 4 is 0 11.
  const { rice, body } = encodeSparse(values, 3);
  expect(rice).toBe(2);
  expect([...body]).toEqual([0b1001_1101, 0b1010_0110]);
});

test('decodeSparse() reads gaps that need the unary part beyond 2^24', () => {
  const values = { positions: Uint32Array.of(2 ** 32 - 2), levels: Int16Array.of(-1) };
  const { rice, body } = encodeSparse(values, 1);
  expect(rice).toBe(24);
  expect(decodeSparse(body, { count: 1, bits: 1, rice, elements: 2 ** 32 - 1 })).toEqual(values);
});

test.each(codings)(
  'decodeBuckets() gives back %s buckets, in the size that bucketBytes() foretells',
  (coding) => {
    fc.assert(
      fc.property(buckets(coding, 60), (input) => {
        const bytes = encodeBuckets(input);
        expect(bytes).toHaveLength(bucketBytes(coding, input.values.length));
        expect(decodeBuckets(offsetView(bytes, 3), coding, input.values.length)).toEqual(input);
      }),
    );
  },
);

test('encodeBuckets() packs five ternary digits a byte, the first of them lowest', () => {
  const values = Int8Array.of(-1, 0, 1, -1, 1, 1);
  expect([...encodeBuckets({ coding: 'ternary', values })]).toEqual([0 + 3 + 2 * 9 + 0 + 2 * 81, 2]);
});

test('encodeBuckets() packs a sign a bit, 1 for negative, the first of them highest', () => {
  const values = Int8Array.of(-1, 1, 1, 1, 1, 1, 1, 1, 1, -1);
  expect([...encodeBuckets({ coding: 'sign', values })]).toEqual([0b1000_0000, 0b0100_0000]);
});

test('encodeBuckets() keeps the bits of floats, -0 among them', () => {
  const values = Float32Array.of(-0, 2 ** -149, 3.4028234663852886e38);
  const decoded = decodeBuckets(encodeBuckets({ coding: 'float', values }), 'float', 3);
  expect(new Uint32Array(decoded.values.buffer)).toEqual(new Uint32Array(values.buffer));
});

describe('decodeBuckets() refuses', () => {
  const refused: readonly [string, number[], (typeof codings)[number], number][] = [
    ['a byte of 243', [243], 'ternary', 5],
    ['a digit behind the last one', [3], 'ternary', 1],
    ['a bit behind the last sign', [0b0001_0000], 'sign', 3],
    ['a bucket that is NaN', [0, 0, 0xc0, 0x7f], 'float', 1],
    ['a bucket that is infinite', [0, 0, 0x80, 0xff], 'float', 1],
    ['a byte too few', [1], 'ternary', 6],
    ['a byte too many', [0, 0], 'sign', 8],
    ['half a float', [0, 0], 'float', 1],
  ];
  test.each(refused)('%s', async (_, bytes, coding, count) => {
    expect(await codeOf(() => decodeBuckets(Uint8Array.from(bytes), coding, count))).toBe('corrupt-payload');
  });
});

test('decodeSparseOp() gives back the op, in the size that sparseOpBytes() foretells', () => {
  fc.assert(
    fc.property(sparseOp(weights), (op) => {
      const record = encodeSparseOp(op);
      expect(record).toHaveLength(sparseOpBytes(op.positions, op.bits));
      expect(decodeSparseOp(offsetView(record, 3), weights)).toEqual(op);
    }),
  );
});

test('decodeDenseOp() gives back the op, in the size that denseOpBytes() foretells', () => {
  fc.assert(
    fc.property(denseOp(weights), (op) => {
      const record = encodeDenseOp(op);
      expect(record).toHaveLength(denseOpBytes(50, op.bits));
      expect(decodeDenseOp(offsetView(record, 3), weights)).toEqual(op);
    }),
  );
});

test('encodeDenseOp() counts levels from the lowest one, the first of them highest', () => {
  const op = { kind: 'dense' as const, tensor: 'a', bits: 4, scale: 1, levels: Int8Array.of(-7, 0, 7) };
  expect([...encodeDenseOp(op)]).toEqual([4, 0, 0, 0x80, 0x3f, 0x07, 0xe0]);
});

test('decodeHashOp() gives back the op, in the size that hashOpBytes() foretells', () => {
  const { tensors } = smallBase();
  fc.assert(
    fc.property(hashOp(tensors), (op) => {
      const record = encodeHashOp(op);
      const { coding, values } = op.buckets;
      const size = { coding, bucketCount: values.length, tensorCount: op.tensors.length };
      expect(record).toHaveLength(hashOpBytes(size));
      const infos = tensors.filter(({ name }) => op.tensors.some(({ tensor }) => tensor === name));
      expect(decodeHashOp(offsetView(record, 3), infos)).toEqual(op);
    }),
  );
});
