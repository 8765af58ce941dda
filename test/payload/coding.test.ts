import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elementCount, type TensorInfo } from '../../src/model/tensor.js';
import { DenseReader } from '../../src/payload/dense-record.js';
import type { Op, SparseOp } from '../../src/payload/diff.js';
import { type EncodedRecord, encodeRecords, encodeSparse } from '../../src/payload/encode-records.js';
import { HashReader } from '../../src/payload/hash-record.js';
import { rowLength, SLAB_ELEMENTS, viewOf } from '../../src/payload/positions.js';
import { RangeDecoder } from '../../src/payload/range-decoder.js';
import { RangeEncoder } from '../../src/payload/range-encoder.js';
import { isScale, roundScale, ScaleCoding } from '../../src/payload/record-head.js';
import { SetReader } from '../../src/payload/set-record.js';
import { SparseReader } from '../../src/payload/sparse-record.js';
import { codeOf, createRandom, offsetView, seededTensor } from '../support.js';
import { denseOp, hashOp, setOp, smallBase, sparseOp } from './samples.js';

const shape = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 });

const float32 = (size: readonly number[]): TensorInfo => ({ name: 'w', dtype: 'float32', shape: size });

/** Decodes the one op of a sparse record, in runs that end at the places given. */
function decodeRuns(record: Uint8Array, info: TensorInfo, ends: readonly number[]): SparseOp {
  const reader = new SparseReader(offsetView(record, 3), [info], { kind: 'sparse' });
  const stops = [...new Set([...ends, elementCount(info)])].sort((a, b) => a - b).filter((end) => end > 0);
  // Arrays of a run are valid until the next.
  const ops = stops.map((end, i) => {
    const op = reader.read(info, { start: stops[i - 1] ?? 0, end });
    return { ...op, positions: [...op.positions], levels: [...op.levels] };
  });
  return {
    ...(ops[0] as unknown as SparseOp),
    positions: Uint32Array.from(ops.flatMap((op) => op.positions)),
    levels: Int16Array.from(ops.flatMap((op) => op.levels)),
  };
}

test('a sparse record returns its op for every coding of positions and every split into runs', () => {
  const input = shape.chain((size) => {
    const tensor = seededTensor('w', 'float32', size);
    const run = fc.nat({ max: elementCount(tensor) });
    const views = fc.nat({ max: 2 * Math.max(1, size.length) });
    return fc.tuple(
      fc.constant(tensor),
      sparseOp(tensor),
      fc.record({ view: views, rice: fc.nat({ max: 31 }), runs: fc.array(run, { maxLength: 5 }) }),
    );
  });
  fc.assert(
    fc.property(input, ([info, op, { view, rice, runs }]) => {
      const choose = ({ scale }: SparseOp) => ({ scale, view, rice });
      expect(decodeRuns(encodeSparse([op], [info], choose), info, runs)).toEqual(op);
      expect(decodeRuns(encodeSparse([op], [info]), info, runs)).toEqual(op);
    }),
    { numRuns: 300 },
  );
});

/** An op on a share of the elements. */
function scattered(info: TensorInfo, density: number): SparseOp {
  const random = createRandom(elementCount(info));
  const positions = Uint32Array.from(
    Array.from({ length: elementCount(info) }, (_, i) => i).filter(() => random() < density * 2 ** 32),
  );
  const levels = Int16Array.from(positions, () => (random() & 1 ? -1 : 1) * (1 + (random() & 3)));
  return { kind: 'sparse', tensor: info.name, scale: 1, positions, levels };
}

describe('tensors of several slabs', () => {
  const shapes: readonly (readonly number[])[] = [
    [2 ** 18 + 1],
    [3, 2 ** 18 - 1],
    [3, 2 ** 18],
    [2, 2 ** 18 + 1],
    [700, 900],
    [90_000, 7],
    [600_000, 1],
    [70, 100, 90],
    [3, 3, 300, 260],
  ];
  test.each(shapes.map((size) => [size.join(' x ')]))('%s give back their op in every view', async (text) => {
    const info = float32(text.split(' x ').map(Number));
    const op = scattered(info, 0.003);
    const ends = Array.from({ length: 12 }, (_, i) => Math.floor((i * elementCount(info)) / 11.5));
    for (let view = 1; view <= 2 * info.shape.length; view++) {
      const choose = ({ scale }: SparseOp) => ({ scale, view, rice: 0 });
      if (rowLength(info, viewOf(view)) === 0) {
        expect(await codeOf(() => encodeSparse([op], [info], choose))).toBe('corrupt-payload');
        continue;
      }
      const decoded = decodeRuns(encodeSparse([op], [info], choose), info, ends);
      expect(Buffer.from(decoded.positions.buffer).equals(Buffer.from(op.positions.buffer))).toBe(true);
      expect(Buffer.from(decoded.levels.buffer).equals(Buffer.from(op.levels.buffer))).toBe(true);
    }
  });
});

test('rowLength() knows the views of a tensor, and that rows are no longer than a slab', () => {
  const rows = (size: number[]) =>
    [1, 2, 3, 4, 5, 6, 7].map((view) => rowLength(float32(size), viewOf(view)));
  expect(rows([])).toEqual([1, 1, 0, 0, 0, 0, 0]);
  expect(rows([5])).toEqual([5, 5, 0, 0, 0, 0, 0]);
  expect(rows([2, 3, 4])).toEqual([24, 24, 12, 12, 4, 4, 0]);
  expect(rows([2, SLAB_ELEMENTS])).toEqual([0, 0, SLAB_ELEMENTS, SLAB_ELEMENTS, 0, 0, 0]);
  expect(rows([2, SLAB_ELEMENTS + 1])).toEqual([0, 0, 0, 0, 0, 0, 0]);
  for (const view of [2 ** 31, 2 ** 32 - 1]) expect(rowLength(float32([2, 3]), viewOf(view))).toBe(0);
});

test('dense records give back their ops', () => {
  const { tensors } = smallBase();
  fc.assert(
    fc.property(fc.tuple(...tensors.map(denseOp)), (ops) => {
      const [record, ...others] = encodeRecords(ops, tensors);
      expect(others).toEqual([]);
      const reader = new DenseReader(offsetView(record?.bytes ?? new Uint8Array(), 3), tensors);
      for (const [i, info] of tensors.entries()) {
        const [half, whole] = [Math.floor(elementCount(info) / 2), elementCount(info)];
        const { levels, ...op } = reader.read(info, { start: 0, end: half });
        const rest = reader.read(info, { start: half, end: whole });
        expect(rest.first).toBe(half);
        expect({ ...op, levels: Int8Array.of(...levels, ...rest.levels) }).toEqual(ops[i]);
      }
    }),
  );
});

test('set records give back their ops, in runs, empty tensors among them', () => {
  const tensors = [...smallBase().tensors, seededTensor('z', 'int32', [0, 3])];
  fc.assert(
    fc.property(fc.tuple(...tensors.map(setOp)), (ops) => {
      const [record, ...others] = encodeRecords(ops, tensors);
      expect(others).toEqual([]);
      const reader = new SetReader(offsetView(record?.bytes ?? new Uint8Array(), 3), tensors);
      for (const [i, info] of tensors.entries()) {
        const [half, whole] = [Math.floor(elementCount(info) / 2), elementCount(info)];
        if (whole === 0) {
          expect(reader.read(info, { start: 0, end: 0 })).toEqual(ops[i]);
          continue;
        }
        const { bytes, ...op } = reader.read(info, { start: 0, end: half });
        const rest = reader.read(info, { start: half, end: whole });
        expect(rest.first).toBe(half);
        expect({ ...op, bytes: Uint8Array.of(...bytes, ...rest.bytes) }).toEqual(ops[i]);
      }
    }),
  );
});

test('hash records give back their op', () => {
  const { tensors } = smallBase();
  fc.assert(
    fc.property(hashOp(tensors), (op) => {
      const [record] = encodeRecords([op], tensors) as [EncodedRecord];
      expect(new HashReader(offsetView(record.bytes, 3), tensors).read()).toEqual(op);
    }),
  );
});

test('buckets keep the bits of floats, -0 among them', () => {
  const values = Float32Array.of(-0, 2 ** -149, 3.4028234663852886e38);
  const { tensors } = smallBase();
  const op: Op = {
    kind: 'hash',
    tensors: [{ tensor: 'a', scale: 1 }],
    seed: 2 ** 32 - 1,
    block: 1_024,
    buckets: { coding: 'float', values },
  };
  const [record] = encodeRecords([op], tensors) as [EncodedRecord];
  const { buckets } = new HashReader(record.bytes, tensors).read();
  expect(new Uint32Array(buckets.values.buffer)).toEqual(new Uint32Array(values.buffer));
});

test('neighbouring ops of a kind with ascending tensors share a record, hash ops do not', () => {
  const tensors = ['a', 'b', 'c'].map((name) => seededTensor(name, 'float32', [4]));
  const sparse = (tensor: string): Op => ({
    kind: 'sparse',
    tensor,
    scale: 1,
    positions: Uint32Array.of(1),
    levels: Int16Array.of(1),
  });
  const dense = (tensor: string): Op => ({ kind: 'dense', tensor, scale: 1, levels: new Int8Array(4) });
  const hash = (tensor: string): Op => ({
    kind: 'hash',
    tensors: [{ tensor, scale: 1 }],
    seed: 1,
    block: 1,
    buckets: { coding: 'levels', values: Int8Array.of(1) },
  });
  const kinds = (...ops: Op[]) => encodeRecords(ops, tensors).map(({ kind }) => kind);
  expect(kinds(sparse('a'), sparse('b'), sparse('c'))).toEqual(['sparse']);
  expect(kinds(sparse('a'), sparse('a'))).toEqual(['sparse', 'sparse']);
  expect(kinds(sparse('b'), sparse('a'), sparse('c'))).toEqual(['sparse', 'sparse']);
  expect(kinds(dense('a'), dense('c'), sparse('b'), sparse('c'))).toEqual(['dense', 'sparse']);
  expect(kinds(hash('a'), hash('b'))).toEqual(['hash', 'hash']);
});

test('every scale that a tensor may have survives', () => {
  const float = float32([]);
  const upperHalves = Array.from({ length: 2 ** 16 }, (_, upper) => upper);
  const scales = [...new Float32Array(Uint32Array.from(upperHalves, (upper) => upper * 2 ** 16).buffer)];
  const valid = scales.filter((scale) => isScale(scale, float));
  // Exponents 0 to 222 with 128 fractions each, 2^96 itself, and not 0.
  expect(valid).toHaveLength(223 * 128);
  const encoder = new RangeEncoder();
  const coding = new ScaleCoding(encoder);
  for (const scale of valid) coding.code(float, scale);
  const decoder = new RangeDecoder(encoder.finish());
  const decoded = new ScaleCoding(decoder);
  expect(valid.filter((scale) => decoded.code(float) !== scale)).toEqual([]);
  decoder.expectEnd();
});

test('isScale() takes whole numbers below 2^24 alone for integers, and upper halves alone', () => {
  const whole: TensorInfo = { name: 'w', dtype: 'int8', shape: [] };
  const scales = [1, 1.5, 255, 256, 257, 510, 511, 2 ** 24 - 2 ** 16, 2 ** 24];
  expect(scales.filter((scale) => isScale(scale, whole))).toEqual([1, 255, 256, 510, 2 ** 24 - 2 ** 16]);
  expect(scales.filter((scale) => isScale(scale, float32([])))).toEqual(
    scales.filter((scale) => ![257, 511].includes(scale)),
  );
  const none = [
    0,
    -0,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 97,
    0.1,
    2 ** -134,
    2 ** 96 * 1.0078125,
  ];
  expect(none.filter((scale) => isScale(scale, float32([])))).toEqual([]);
  expect(roundScale(0.1)).toBe(0.099609375);
});
