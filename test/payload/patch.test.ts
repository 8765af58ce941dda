import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from '../../src/model/float16.js';
import { DTYPES, type DType, elementCount, type Tensor, wordsOf } from '../../src/model/tensor.js';
import {
  type ExactOp,
  type HashOp,
  isSet,
  type LowRankOp,
  type Op,
  type SetOp,
  type SparseOp,
} from '../../src/payload/diff.js';
import { patchRange } from '../../src/payload/patch.js';
import { ADDABLE, offsetView, seededTensor } from '../support.js';
import { denseOp, exactOp, hashOp, lowRankOp, setOp, sparseOp } from './samples.js';

const { h32Raw } = await xxhash();

/** The value that an op gives one element, straight from docs/FORMAT.md. */
function valueAt(op: Exclude<Op, ExactOp | SetOp>, tensor: Tensor, element: number): number {
  if (op.kind === 'hash') return hashedValue(op, tensor, element);
  if (op.tensor !== tensor.name) return 0;
  if (op.kind === 'low-rank') return sumOfProducts(op, tensor, element);
  const level = op.kind === 'dense' ? op.levels[element] : op.levels[op.positions.indexOf(element)];
  return Math.fround((level ?? 0) * op.scale);
}

/** A product of a factor that is exact in binary32 and a level is exact in binary64, and so is a sum. */
function sumOfProducts({ scales, columns, rows, split }: LowRankOp, tensor: Tensor, element: number): number {
  const width = tensor.shape.slice(split).reduce((product, size) => product * size, 1);
  const [row, column] = [Math.floor(element / width), element % width];
  return scales.reduce((sum, scale, k) => {
    const factor = Math.fround(scale * (rows[row * scales.length + k] as number));
    return Math.fround(sum + Math.fround(factor * (columns[k * width + column] as number)));
  }, 0);
}

function hashedValue({ tensors, seed, block, buckets }: HashOp, tensor: Tensor, element: number): number {
  const ordinal = tensors.findIndex((hashed) => hashed.tensor === tensor.name);
  if (ordinal < 0) return 0;
  const key = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
  const tensorSeed = h32Raw(key(ordinal), seed) >>> 0;
  const hash = BigInt(h32Raw(key(Math.floor(element / block)), tensorSeed) >>> 0);
  const count = buckets.values.length;
  const first = Number(((hash >> 1n) * BigInt(count)) >> 31n);
  const bucket = buckets.values[(first + (element % block)) % count] as number;
  const value = Math.fround(bucket * (tensors[ordinal] as { scale: number }).scale);
  return (hash & 1n) === 1n ? -value : value;
}

/** Adds to one element through a DataView, wherever it lies. */
function addTo(view: DataView, dtype: DType, at: { element: number; value: number }): void {
  const { element, value } = at;
  if (value === 0) return;
  const offset = element * DTYPES[dtype].bytes;
  if (dtype === 'float32') {
    const sum = Math.fround(view.getFloat32(offset, true) + value);
    if (Number.isNaN(sum)) view.setUint32(offset, 0x7fc00000, true);
    else view.setFloat32(offset, sum, true);
  } else if (dtype === 'float16') {
    const sum = Math.fround(float16Value(view.getUint16(offset, true)) + value);
    view.setUint16(offset, float16Bits(sum), true);
  } else if (dtype === 'bfloat16') {
    const sum = Math.fround(bfloat16Value(view.getUint16(offset, true)) + value);
    view.setUint16(offset, bfloat16Bits(sum), true);
  } else if (dtype === 'int32') {
    const sum = BigInt(view.getInt32(offset, true)) + BigInt(value);
    view.setInt32(offset, within(sum, -(2n ** 31n), 2n ** 31n - 1n), true);
  } else if (dtype === 'uint32') {
    const sum = BigInt(view.getUint32(offset, true)) + BigInt(value);
    view.setUint32(offset, within(sum, 0n, 2n ** 32n - 1n), true);
  } else if (dtype === 'int16') {
    const sum = BigInt(view.getInt16(offset, true)) + BigInt(value);
    view.setInt16(offset, within(sum, -32_768n, 32_767n), true);
  } else if (dtype === 'uint16') {
    const sum = BigInt(view.getUint16(offset, true)) + BigInt(value);
    view.setUint16(offset, within(sum, 0n, 65_535n), true);
  } else if (dtype === 'int8') {
    view.setInt8(offset, within(BigInt(view.getInt8(offset)) + BigInt(value), -128n, 127n));
  } else {
    view.setUint8(offset, within(BigInt(view.getUint8(offset)) + BigInt(value), 0n, 255n));
  }
}

function within(sum: bigint, least: bigint, most: bigint): number {
  return Number(sum < least ? least : sum > most ? most : sum);
}

/** Moves one element on in the order of its values, in whole numbers of any size. */
function moveOn({ positions, levels }: ExactOp, view: DataView, at: { element: number; dtype: DType }): void {
  const { bytes: size, kind } = DTYPES[at.dtype];
  const difference = BigInt(levels[positions.indexOf(at.element)] ?? 0);
  const offset = at.element * size;
  const get = { 1: view.getUint8, 2: view.getUint16, 4: view.getUint32 }[size] as typeof view.getUint32;
  const set = { 1: view.setUint8, 2: view.setUint16, 4: view.setUint32 }[size] as typeof view.setUint32;
  const all = 2n ** BigInt(8 * size);
  const half = all / 2n;
  const bits = BigInt(get.call(view, offset, true));
  const isFloat = kind === 'float';
  const order = isFloat ? (bits >= half ? all - 1n - bits : bits + half) : bits;
  const moved = BigInt.asUintN(8 * size, order + difference);
  const next = isFloat ? (moved >= half ? moved - half : all - 1n - moved) : moved;
  set.call(view, offset, Number(next), true);
}

function patchByDefinition(ops: readonly Op[], tensor: Tensor): Uint8Array {
  const bytes = tensor.bytes.slice();
  for (const op of ops)
    for (let element = 0; element < elementCount(tensor); element++)
      patchOne(op, tensor, { view: new DataView(bytes.buffer), element });
  return bytes;
}

function patchOne(op: Op, tensor: Tensor, { view, element }: { view: DataView; element: number }): void {
  const { dtype } = tensor;
  if (isSet(op)) setOne(op, tensor, { view, element });
  else if (op.kind !== 'exact') addTo(view, dtype, { element, value: valueAt(op, tensor, element) });
  else if (op.tensor === tensor.name) moveOn(op, view, { element, dtype });
}

function setOne(op: SetOp, tensor: Tensor, { view, element }: { view: DataView; element: number }): void {
  const size = DTYPES[tensor.dtype].bytes;
  if (op.tensor !== tensor.name) return;
  for (let i = element * size; i < (element + 1) * size; i++) view.setUint8(i, op.bytes[i] as number);
}

const other = seededTensor('other', 'uint8', [9]);

const opsOn = (tensor: Tensor) =>
  fc.array(
    fc.oneof<fc.Arbitrary<Op>[]>(
      sparseOp(tensor),
      exactOp(tensor),
      denseOp(tensor),
      setOp(tensor),
      ...(DTYPES[tensor.dtype].kind === 'float' ? [lowRankOp(tensor)] : []),
      hashOp([other, tensor]),
      denseOp(other),
    ),
    {
      minLength: 1,
      maxLength: 4,
    },
  );

describe.each(ADDABLE)('patchRange() on %s', (dtype) => {
  const tensor = seededTensor('weights', dtype, [3, 100], 5);
  const elementBytes = DTYPES[dtype].bytes;

  test('equals the arithmetic of the definition, whole and in ranges of 1, 37 and 255 elements', () => {
    fc.assert(
      fc.property(opsOn(tensor), (ops) => {
        const expected = patchByDefinition(ops, tensor);
        for (const piece of [1, 37, 255, 300]) {
          const bytes = offsetView(tensor.bytes);
          for (let start = 0; start < 300; start += piece) {
            const part = bytes.subarray(start * elementBytes, Math.min(start + piece, 300) * elementBytes);
            patchRange(ops, tensor, { startElement: start, bytes: part });
          }
          expect(bytes).toEqual(expected);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('equals the definition on elements of any bits', () => {
    const count = fc.uint8Array({ minLength: 40 * elementBytes, maxLength: 40 * elementBytes });
    const input = count.chain((bytes) => {
      const any: Tensor = { name: 'weights', dtype, shape: [40], bytes };
      return fc.tuple(fc.constant(any), opsOn(any));
    });
    fc.assert(
      fc.property(input, ([any, ops]) => {
        const bytes = any.bytes.slice();
        patchRange(ops, any, { startElement: 0, bytes });
        expect(bytes).toEqual(patchByDefinition(ops, any));
      }),
    );
  });
});

test.each(['int64', 'uint64', 'float64', 'float8_e4m3fn', 'float8_e5m2'] as const)(
  'patchRange() changes the words of %s as those of unsigned integers',
  (dtype) => {
    const tensor = seededTensor('weights', dtype, [3, 100], 5);
    const words = wordsOf(tensor);
    fc.assert(
      fc.property(opsOn(words), (ops) => {
        const bytes = tensor.bytes.slice();
        patchRange(ops, tensor, { startElement: 0, bytes });
        expect(bytes).toEqual(patchByDefinition(ops, words));
      }),
      { numRuns: 40 },
    );
  },
);

const bytesOf = (values: ArrayBufferView) => new Uint8Array(values.buffer);

/** Patches all elements by one value each, which a dense op of scale 1 gives them. */
function addLevels(dtype: DType, elements: ArrayBufferView, levels: readonly number[]): Uint8Array {
  const bytes = bytesOf(elements).slice();
  const info = { name: 'a', dtype, shape: [levels.length] };
  const op = { kind: 'dense' as const, tensor: 'a', scale: 1, levels: Int8Array.from(levels) };
  patchRange([op], info, { startElement: 0, bytes });
  return bytes;
}

test('patchRange() leaves all bits alone where the value is zero: NaN payloads, signs, denormals', () => {
  const float32 = Uint32Array.of(0x7f800001, 0xffc12345, 0x80000000, 0x80000001, 0xff800000);
  expect(addLevels('float32', float32, [0, 0, 0, 0, 0])).toEqual(bytesOf(float32));
  for (const dtype of ['float16', 'bfloat16'] as const) {
    const half = Uint16Array.of(0x7f81, 0xffff, 0x8000, 0x8001, 0xfc01);
    expect(addLevels(dtype, half, [0, 0, 0, 0, 0])).toEqual(bytesOf(half));
  }
});

test('patchRange() takes a bucket of -0 and a value that rounds to zero as zero', () => {
  const info = { name: 'a', dtype: 'float32' as const, shape: [2] };
  const op: HashOp = {
    kind: 'hash',
    tensors: [{ tensor: 'a', scale: 2 ** -149 }],
    seed: 0,
    block: 2,
    buckets: { coding: 'float', values: Float32Array.of(-0, 2 ** -20) },
  };
  const weights = Uint32Array.of(0x80000000, 0xffc12345);
  const bytes = bytesOf(weights).slice();
  patchRange([op], info, { startElement: 0, bytes });
  expect(bytes).toEqual(bytesOf(weights));
});

test('patchRange() writes a result that is not a number as the positive quiet NaN', () => {
  const float32 = Uint32Array.of(0x7f800001, 0xffffffff);
  expect(addLevels('float32', float32, [1, -1])).toEqual(bytesOf(Uint32Array.of(0x7fc00000, 0x7fc00000)));
  const float16 = addLevels('float16', Uint16Array.of(0x7c01, 0xffff), [1, -1]);
  expect(float16).toEqual(bytesOf(Uint16Array.of(0x7e00, 0x7e00)));
  const bfloat16 = addLevels('bfloat16', Uint16Array.of(0x7f81, 0xffff), [1, -1]);
  expect(bfloat16).toEqual(bytesOf(Uint16Array.of(0x7fc0, 0x7fc0)));
});

test('patchRange() writes NaN where infinities cancel, and infinity where a sum overflows', () => {
  const info = { name: 'a', dtype: 'float32' as const, shape: [2] };
  const huge: HashOp = {
    kind: 'hash',
    tensors: [{ tensor: 'a', scale: 2 ** 96 }],
    seed: 7,
    block: 2,
    buckets: { coding: 'float', values: Float32Array.of(2 ** 127) },
  };
  const weights = Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
  const bits = new Uint32Array(weights.buffer);
  patchRange([huge], info, { startElement: 0, bytes: bytesOf(weights) });
  expect([...bits]).toEqual([0x7f800000, 0x7fc00000]);
});

test('patchRange() gives +0 where a weight and its value cancel', () => {
  expect(addLevels('float32', Float32Array.of(-1, 1), [1, -1])).toEqual(new Uint8Array(8));
});

test('patchRange() stops sums of integers at the ends of their type', () => {
  expect([...addLevels('uint8', Uint8Array.of(250, 3, 250), [10, -10, 5])]).toEqual([255, 0, 255]);
  expect([...new Int8Array(addLevels('int8', Int8Array.of(127, -128), [1, -1]).buffer)]).toEqual([127, -128]);
  const int32 = addLevels('int32', Int32Array.of(2 ** 31 - 1, -(2 ** 31)), [1, -1]);
  expect([...new Int32Array(int32.buffer)]).toEqual([2 ** 31 - 1, -(2 ** 31)]);
});

test('patchRange() rounds once an op: two ops are not the op of their sum', () => {
  const info = { name: 'a', dtype: 'float32' as const, shape: [1] };
  const half: SparseOp = {
    kind: 'sparse',
    tensor: 'a',
    positions: Uint32Array.of(0),
    levels: Int16Array.of(1),
    scale: 2 ** -24,
  };
  const weight = Float32Array.of(1);
  patchRange([half, half], info, { startElement: 0, bytes: bytesOf(weight) });
  expect(weight[0]).toBe(1);
  patchRange([{ ...half, scale: 2 ** -23 }], info, { startElement: 0, bytes: bytesOf(weight) });
  expect(weight[0]).toBe(1 + 2 ** -23);
});
