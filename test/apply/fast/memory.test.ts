import { expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { MAX_TABLE_BUCKETS } from '../../../src/apply/fast/arena.js';
import { createFastPatcher } from '../../../src/apply/fast/create-patcher.js';
import type { DType, TensorInfo } from '../../../src/model/tensor.js';
import type { Buckets, HashOp, Op } from '../../../src/payload/diff.js';
import { createRandom, seededBytes } from '../../support.js';
import { inPlace, plainly } from './samples.js';

const { h32Raw } = await xxhash();
const info = (dtype: DType): TensorInfo => ({ name: 'weights', dtype, shape: [2 ** 32 - 1] });

function hashOp(block: number, buckets: Buckets, scale = 3): HashOp {
  return { kind: 'hash', tensors: [{ tensor: 'weights', scale }], seed: 5, block, buckets };
}

function ternary(count: number): Buckets {
  const random = createRandom(count);
  return { coding: 'levels', values: Int8Array.from({ length: count }, () => (random() % 3) - 1) };
}

test('allocate() gives zeros that stay where they are when more is allocated', () => {
  const patcher = createFastPatcher();
  const first = patcher.allocate(1_000).fill(7);
  const second = patcher.allocate(5_000_000);
  expect(second.every((byte) => byte === 0)).toBe(true);
  second.fill(9);
  patcher.patch([hashOp(1, ternary(10))], info('uint8'), { startElement: 0, bytes: second });
  expect(first).toHaveLength(1_000);
  expect(first.every((byte) => byte === 7)).toBe(true);
  expect(patcher.allocate(0)).toHaveLength(0);
});

test('patch() gives the same bits with the maximum number of buckets and with more', () => {
  const patcher = createFastPatcher();
  const bytes = seededBytes(1, 40_000);
  for (const count of [MAX_TABLE_BUCKETS, MAX_TABLE_BUCKETS + 1]) {
    const ops = [hashOp(1, ternary(count)), hashOp(1_024, ternary(count))];
    const range = { startElement: 3, bytes };
    expect(inPlace(patcher, ops, { info: info('int32'), ...range })).toEqual(
      plainly(ops, info('int32'), range),
    );
  }
});

test('patch() keeps tables apart by buckets, scale and dtype, also when few of them fit', () => {
  const patcher = createFastPatcher();
  const many = [1, 2, 3].map((i) => ternary(MAX_TABLE_BUCKETS / 2 + i));
  const lent = patcher.allocate(4_000);
  const plain = seededBytes(2, 4_000);
  lent.set(plain);
  for (let round = 0; round < 2; round++) {
    for (const buckets of many) {
      for (const [dtype, scale] of [
        ['float32', 3],
        ['int32', 3],
        ['float32', 5],
        ['float16', 3],
      ] as const) {
        const ops = [hashOp(8, buckets, scale)];
        patcher.patch(ops, info(dtype), { startElement: 0, bytes: lent });
        plain.set(plainly(ops, info(dtype), { startElement: 0, bytes: plain }));
        expect(lent).toEqual(plain);
      }
    }
  }
});

test('patch() takes scales that payloads do not have as patchRange() does', () => {
  const patcher = createFastPatcher();
  const bytes = seededBytes(3, 400);
  const dense: Op = {
    kind: 'dense',
    tensor: 'weights',
    scale: 0.3,
    levels: new Int8Array(500).fill(7),
  };
  for (const dtype of ['float32', 'int8'] as const) {
    for (const op of [dense, hashOp(1, ternary(50), 0.7)]) {
      const range = { startElement: 0, bytes };
      expect(inPlace(patcher, [op], { info: info(dtype), ...range })).toEqual(
        plainly([op], info(dtype), range),
      );
    }
  }
});

test('patch() passes over ops on other tensors', () => {
  const patcher = createFastPatcher();
  const bytes = patcher.allocate(64).fill(1);
  const other = { ...info('float32'), name: 'other' };
  patcher.patch([hashOp(1, ternary(5))], other, { startElement: 0, bytes });
  expect(bytes.every((byte) => byte === 1)).toBe(true);
});

test('patch() places each block by the XXH32 that xxhash-wasm gives on its number', () => {
  const patcher = createFastPatcher();
  const count = 70_001;
  const startElement = 2 ** 32 - 1 - count;
  const bytes = patcher.allocate(4 * count);
  const hashed = 2 ** 20;
  // Buckets that are their own number, from 1 on: the sum tells which bucket an element got, and with which
  // sign.
  const values = Float32Array.from({ length: hashed }, (_, i) => i + 1);
  patcher.patch([hashOp(1, { coding: 'float', values }, 1)], info('float32'), { startElement, bytes });
  const sums = new Float32Array(bytes.buffer, bytes.byteOffset, count);
  const key = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
  const seed = h32Raw(key(0), 5) >>> 0;
  for (let i = 0; i < count; i++) {
    const hash = BigInt(h32Raw(key(startElement + i), seed) >>> 0);
    const bucket = Number(((hash >> 1n) * BigInt(hashed)) >> 31n) + 1;
    if (sums[i] !== (hash & 1n ? -bucket : bucket)) expect.fail(`element ${startElement + i}`);
  }
});
