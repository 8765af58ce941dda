import { describe, expect, test } from 'vitest';
import { MAX_TENSORS } from '../../src/model/limits.js';
import {
  byteLength,
  canonicalOrder,
  checkModel,
  checkNotEmpty,
  checkTensorInfos,
  compareNames,
  DTYPES,
  type DType,
  dtypeOfCode,
  elementCount,
  isCleanText,
  type TensorInfo,
} from '../../src/model/tensor.js';
import { codeOf, seededTensor } from '../support.js';

const info = (fields: Partial<TensorInfo> = {}): TensorInfo => ({
  name: 'a',
  dtype: 'float32',
  shape: [2],
  ...fields,
});

test('DTYPES has all types with the codes and sizes of the format', () => {
  expect(Object.entries(DTYPES).map(([name, { code, bytes, kind }]) => [name, code, bytes, kind])).toEqual([
    ['float32', 1, 4, 'float'],
    ['float16', 2, 2, 'float'],
    ['bfloat16', 3, 2, 'float'],
    ['int8', 4, 1, 'integer'],
    ['uint8', 5, 1, 'integer'],
    ['int32', 6, 4, 'integer'],
    ['int16', 7, 2, 'integer'],
    ['uint16', 8, 2, 'integer'],
    ['uint32', 9, 4, 'integer'],
    ['int64', 10, 8, 'integer'],
    ['uint64', 11, 8, 'integer'],
    ['float64', 12, 8, 'float'],
    ['float8_e4m3fn', 13, 1, 'float'],
    ['float8_e5m2', 14, 1, 'float'],
  ]);
});

test('dtypeOfCode() knows the codes of the table and no other', () => {
  for (const dtype of Object.keys(DTYPES) as DType[]) expect(dtypeOfCode(DTYPES[dtype].code)).toBe(dtype);
  for (const code of [0, 15, 255, -1, 1.5, 2 ** 32]) expect(dtypeOfCode(code)).toBeUndefined();
});

test('elementCount() counts a scalar as one and an empty tensor as none', () => {
  expect(elementCount(info({ shape: [] }))).toBe(1);
  expect(elementCount(info({ shape: [3, 0, 5] }))).toBe(0);
  expect(elementCount(info({ shape: [3, 4, 5] }))).toBe(60);
  expect(byteLength(info({ shape: [3, 4, 5], dtype: 'bfloat16' }))).toBe(120);
});

test('canonicalOrder() sorts by UTF-8 bytes, not by UTF-16 units, and leaves its argument alone', () => {
  // In UTF-16 the emoji (d83d …) comes before U+FF5E; in UTF-8 (f0 …) it comes after it (ef …).
  const names = ['b', '😀', 'a/b', '～', 'a', 'é', 'B'];
  const list = names.map((name) => info({ name }));
  expect(canonicalOrder(list).map(({ name }) => name)).toEqual(['B', 'a', 'a/b', 'b', 'é', '～', '😀']);
  expect(list.map(({ name }) => name)).toEqual(names);
});

test('compareNames() puts a prefix first and finds equal names equal', () => {
  expect(Math.sign(compareNames('a', 'ab'))).toBe(-1);
  expect(Math.sign(compareNames('ab', 'a'))).toBe(1);
  expect(compareNames('größe', 'größe')).toBe(0);
});

test('checkNotEmpty() refuses models without elements', async () => {
  expect(() => checkNotEmpty([info({ shape: [0] }), info()])).not.toThrow();
  for (const tensors of [[], [info({ shape: [0] })]])
    expect(await codeOf(() => checkNotEmpty(tensors))).toBe('empty-model');
});

test('isCleanText() refuses lone surrogates and U+FEFF, nothing else', () => {
  for (const text of ['', 'a', '\0', 'größe', '重み', '😀', '\ufffd', '\ufffe'])
    expect(isCleanText(text)).toBe(true);
  for (const text of ['\ud83d', 'a\ude00', '\ude00\ud83d', '\ufeffa', 'a\ufeff'])
    expect(isCleanText(text)).toBe(false);
});

describe('checkTensorInfos()', () => {
  const refused: readonly [string, TensorInfo[]][] = [
    ['a name twice', [info(), info()]],
    ['an empty name', [info({ name: '' })]],
    ['a name of 1,025 bytes', [info({ name: 'a'.repeat(1_025) })]],
    ['a name of 342 characters with 1,026 bytes', [info({ name: '重'.repeat(342) })]],
    ['a name with a lone surrogate', [info({ name: 'a\ud800' })]],
    ['a name with a byte order mark', [info({ name: '\ufeffa' })]],
    ['nine dimensions', [info({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] })]],
    ['2^32 elements', [info({ shape: [65_536, 65_536] })]],
    ['a dimension of 2^32 and one of 0', [info({ shape: [0, 2 ** 32] })]],
    ['a negative dimension', [info({ shape: [-1] })]],
    ['half a dimension', [info({ shape: [0.5] })]],
    ['a dimension that is not a number', [info({ shape: [Number.NaN] })]],
    ['65,537 tensors', Array.from({ length: MAX_TENSORS + 1 }, (_, i) => info({ name: `${i}` }))],
  ];
  test.each(refused)('refuses %s', async (_, tensors) => {
    expect(await codeOf(() => checkTensorInfos(tensors))).toBe('bad-model');
  });

  test('accepts names and shapes at their limits', () => {
    const tensors = [
      info({ name: 'a'.repeat(1_024) }),
      info({ name: `${'重'.repeat(341)}a` }),
      info({ name: 'b', shape: [2 ** 32 - 1] }),
      info({ name: 'c', shape: [1, 1, 1, 1, 1, 1, 1, 1] }),
      info({ name: 'd', shape: [0, 2 ** 32 - 1] }),
    ];
    expect(checkTensorInfos(tensors)).toBe(tensors);
  });
});

test('checkModel() refuses a tensor with one byte too few or too many', async () => {
  const tensor = seededTensor('a', 'float16', [3]);
  for (const length of [5, 7]) {
    const model = { tensors: [{ ...tensor, bytes: new Uint8Array(length) }] };
    expect(await codeOf(() => checkModel(model))).toBe('bad-model');
  }
});
