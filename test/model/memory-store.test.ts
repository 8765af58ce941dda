import { describe, expect, test } from 'vitest';
import { copyModel, openMemoryStore } from '../../src/model/store.js';
import { codeOf, offsetView, sampleModel, seededTensor } from '../support.js';

const open = () => openMemoryStore({ tensors: [seededTensor('a', 'int8', [300])] });

test('openMemoryStore() lists the tensors in their own order, without bytes', () => {
  const { tensors } = openMemoryStore(sampleModel());
  expect(tensors).toEqual(sampleModel().tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })));
});

test.each([1, 37, 255])('openMemoryStore() reads and writes in pieces of %d bytes', async (piece) => {
  const expected = seededTensor('a', 'int8', [300], 9).bytes;
  const store = open();
  for (let at = 0; at < 300; at += piece)
    await store.write('a', at, offsetView(expected.subarray(at, at + piece)));
  const found = offsetView(new Uint8Array(300));
  for (let at = 0; at < 300; at += piece) await store.readInto('a', at, found.subarray(at, at + piece));
  expect(found).toEqual(expected);
});

test('openMemoryStore() writes through to bytes that are a view with an offset, and nowhere else', async () => {
  const bytes = offsetView(new Uint8Array(4), 3);
  const store = openMemoryStore({ tensors: [{ name: 'a', dtype: 'int8', shape: [4], bytes }] });
  await store.write('a', 1, Uint8Array.of(5, 6));
  expect([...new Uint8Array(bytes.buffer)]).toEqual([0xee, 0xee, 0xee, 0, 5, 6, 0, ...Array(5).fill(0xee)]);
});

test('openMemoryStore() refuses bytes that do not fit the shape', async () => {
  const tensors = [{ name: 'a', dtype: 'float32' as const, shape: [2], bytes: new Uint8Array(7) }];
  expect(await codeOf(() => openMemoryStore({ tensors }))).toBe('bad-model');
});

describe('a store refuses as a RangeError', () => {
  const ranges: readonly [string, string, number, number][] = [
    ['an unknown name', 'b', 0, 1],
    ['a name from the prototype', 'constructor', 0, 1],
    ['a negative offset', 'a', -1, 1],
    ['half an offset', 'a', 0.5, 1],
    ['an offset that is not a number', 'a', Number.NaN, 1],
    ['one byte past the end', 'a', 300, 1],
    ['a range across the end', 'a', 299, 2],
  ];
  test.each(ranges)('%s', async (_, name, offset, length) => {
    await expect(open().readInto(name, offset, new Uint8Array(length))).rejects.toThrow(RangeError);
    await expect(open().write(name, offset, new Uint8Array(length))).rejects.toThrow(RangeError);
  });

  test('nothing of an empty range at the end', async () => {
    await expect(open().readInto('a', 300, new Uint8Array(0))).resolves.toBeUndefined();
  });
});

test('copyModel() gives a model whose bytes are its own', async () => {
  const model = sampleModel();
  const copy = await copyModel(openMemoryStore(model));
  expect(copy).toEqual(model);
  copy.tensors[0]?.bytes.fill(0);
  expect(model).toEqual(sampleModel());
});
