import { describe, expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel, openMemoryStore } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { codeOf, concat, sampleModel, seededBytes } from '../support.js';

const encoder = new TextEncoder();

/** The files of a layers model, its bytes cut into shards of a given size. */
function layersFiles(model: Model, shardBytes: number): Map<string, Uint8Array> {
  const all = concat(...model.tensors.map(({ bytes }) => bytes));
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at < all.length; at += shardBytes)
    files.set(`shards/group1-${files.size}.bin`, all.slice(at, at + shardBytes));
  const weights = model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const manifest = { weightsManifest: [{ paths: [...files.keys()], weights }] };
  return files.set('model.json', encoder.encode(JSON.stringify(manifest)));
}

const folderOf = (json: unknown, shards: Record<string, Uint8Array> = {}) => {
  const text = typeof json === 'string' ? json : JSON.stringify(json);
  return openMemoryFiles(new Map([...Object.entries(shards), ['model.json', encoder.encode(text)]]));
};

const weight = { name: 'a', dtype: 'float32', shape: [2] };
const shard = { 'a.bin': seededBytes(1, 8) };

const manifest = (group: Record<string, unknown>, ...more: unknown[]) => ({
  weightsManifest: [{ paths: ['a.bin'], weights: [weight], ...group }, ...more],
});

describe.each([1, 37, 255, 4_096])('openLayersStore() over shards of %d bytes', (shardBytes) => {
  test('gives the tensors and the fingerprint of the model', async () => {
    const store = await openLayersStore(openMemoryFiles(layersFiles(sampleModel(), shardBytes)));
    expect(await copyModel(store)).toEqual(sampleModel());
    expect(await fingerprint(store)).toEqual(await fingerprint(openMemoryStore(sampleModel())));
  });

  test('reads any range as the memory store does, and writes it to the shards', async () => {
    const files = layersFiles(sampleModel(), shardBytes);
    const store = await openLayersStore(openMemoryFiles(files));
    const expected = sampleModel();
    const memory = openMemoryStore(expected);
    for (const [offset, length] of [
      [0, 288],
      [1, 1],
      [36, 39],
      [280, 8],
      [288, 0],
    ] as const) {
      const [found, wanted] = [new Uint8Array(length), new Uint8Array(length)];
      await store.readInto('conv/kernel', offset, found);
      await memory.readInto('conv/kernel', offset, wanted);
      expect(found).toEqual(wanted);
      const written = seededBytes(offset + 5, length);
      await store.write('conv/kernel', offset, written);
      await memory.write('conv/kernel', offset, written);
    }
    await store.flush();
    const reopened = await openLayersStore(openMemoryFiles(files));
    expect(await copyModel(reopened)).toEqual(expected);
    await reopened.close();
  });
});

test('openLayersStore() keeps groups apart', async () => {
  const second = { paths: ['b/1.bin', 'b/2.bin'], weights: [{ name: 'b', dtype: 'uint8', shape: [5] }] };
  const shards = { ...shard, 'b/1.bin': Uint8Array.of(1, 2), 'b/2.bin': Uint8Array.of(3, 4, 5) };
  const store = await openLayersStore(folderOf(manifest({}, second), shards));
  const found = new Uint8Array(5);
  await store.readInto('b', 0, found);
  expect([...found]).toEqual([1, 2, 3, 4, 5]);
});

test('openLayersStore() keeps quantised weights as they are stored, and what they stand for', async () => {
  const weights = [
    { ...weight, name: 'bytes', quantization: { dtype: 'uint8', scale: 0.5, min: -3 } },
    { ...weight, name: 'words', quantization: { dtype: 'uint16', scale: 0.25, min: 1 } },
    { ...weight, name: 'halves', quantization: { dtype: 'float16' } },
    { name: 'flags', dtype: 'bool', shape: [3] },
    { name: 'waves', dtype: 'complex64', shape: [1] },
  ];
  const store = await openLayersStore(folderOf(manifest({ weights }), { 'a.bin': seededBytes(1, 21) }));
  const map = { dtype: 'float64', shape: [2] };
  expect(store.tensors).toEqual([
    { name: 'bytes', dtype: 'uint8', shape: [2] },
    { name: 'bytes/quantization', ...map },
    { name: 'words', dtype: 'uint16', shape: [2] },
    { name: 'words/quantization', ...map },
    { name: 'halves', dtype: 'float16', shape: [2] },
    { name: 'flags', dtype: 'uint8', shape: [3] },
    { name: 'waves', dtype: 'uint8', shape: [1, 8] },
  ]);
  expect(store.quantization).toEqual(new Map([['bytes', { dtype: 'uint8', scale: 0.5, min: -3 }]]));
  const found = new Uint8Array(16);
  await store.readInto('bytes/quantization', 0, found);
  expect([...new Float64Array(found.buffer)]).toEqual([0.5, -3]);
  expect([...(store.readOnly ?? [])]).toEqual(['bytes/quantization', 'words/quantization']);
  expect(await codeOf(() => store.write('bytes/quantization', 0, Uint8Array.of(1)))).toBe(
    'unsupported-model',
  );
});

test('openLayersStore() refuses ranges outside a tensor, which lie inside a shard', async () => {
  const weights = [weight, { name: 'b', dtype: 'int8', shape: [3] }];
  const store = await openLayersStore(folderOf(manifest({ weights }), { 'a.bin': seededBytes(1, 11) }));
  await expect(store.readInto('a', 8, new Uint8Array(1))).rejects.toThrow(RangeError);
  await expect(store.write('a', 7, new Uint8Array(2))).rejects.toThrow(RangeError);
});

describe('openLayersStore() refuses a shard path', () => {
  const hostile = [
    '../a.bin',
    'b/../../a.bin',
    '..',
    '.',
    './a.bin',
    '/etc/passwd',
    'b//a.bin',
    'b/',
    '..\\a.bin',
    'b\\a.bin',
    'C:a.bin',
    'C:\\a.bin',
    'file:///a.bin',
    'https://example.org/a.bin',
    'a.bin\0',
    'a.bin?x',
  ];
  test.each(hostile)('%j', async (path) => {
    const files = folderOf(manifest({ paths: [path] }), { ...shard, [path]: seededBytes(1, 8) });
    expect(await codeOf(() => openLayersStore(files))).toBe('unsafe-path');
  });
});

test.each(['model.json', 'MODEL.JSON'])('openLayersStore() refuses %s as a shard of itself', async (path) => {
  const files = folderOf(manifest({ paths: [path] }), shard);
  expect(await codeOf(() => openLayersStore(files))).toBe('bad-model');
});

test('openLayersStore() refuses shards whose names differ by case only, and a link to model.json', async () => {
  const weights = [{ name: 'a', dtype: 'uint8', shape: [2] }];
  const two = { 'w.bin': Uint8Array.of(1), 'W.bin': Uint8Array.of(2) };
  const json = (paths: string[]) => encoder.encode(JSON.stringify({ weightsManifest: [{ paths, weights }] }));
  const open = (files: Record<string, Uint8Array>) =>
    openLayersStore(openMemoryFiles(new Map(Object.entries(files))));
  expect(await codeOf(() => open({ 'model.json': json(['w.bin', 'W.bin']), ...two }))).toBe('bad-model');
  const entry = { ...weight, dtype: 'uint8' };
  const text = (size: number) =>
    JSON.stringify(manifest({ paths: ['linked'], weights: [{ ...entry, shape: [size] }] }));
  const same = encoder.encode(text(text(100).length));
  const linked = openMemoryFiles(
    new Map([
      ['model.json', same],
      ['linked', same],
    ]),
  );
  expect(await codeOf(() => openContainer(linked, 'model.json'))).toBe('bad-model');
});

test('openLayersStore() refuses a manifest without weights', async () => {
  expect(await codeOf(() => openLayersStore(folderOf({ weightsManifest: [] })))).toBe('empty-model');
});

describe('openLayersStore() refuses a manifest', () => {
  const withWeight = (fields: object) => manifest({ weights: [{ ...weight, ...fields }] });
  const { name: _name, ...nameless } = weight;
  const { dtype: _dtype, ...dtypeless } = weight;
  const { shape: _shape, ...shapeless } = weight;
  const bad: readonly [string, unknown][] = [
    ['that is not JSON', '{"weightsManifest": ['],
    ['that is empty', ''],
    ['that is null', null],
    ['that is a list', []],
    ['without weightsManifest', { modelTopology: {} }],
    ['whose weightsManifest is a map', { weightsManifest: {} }],
    ['whose group is null', { weightsManifest: [null] }],
    ['without paths', { weightsManifest: [{ weights: [weight] }] }],
    ['without weights', { weightsManifest: [{ paths: ['a.bin'] }] }],
    ['whose paths are a text', manifest({ paths: 'a.bin' })],
    ['with a path that is a number', manifest({ paths: [1] })],
    ['with an empty path', manifest({ paths: [''] })],
    ['with a weight that is a text', manifest({ weights: ['a'] })],
    ['with a weight without a name', manifest({ weights: [nameless] })],
    ['with a weight without a dtype', manifest({ weights: [dtypeless] })],
    ['with a weight without a shape', manifest({ weights: [shapeless] })],
    ['with a name that is a number', withWeight({ name: 1 })],
    ['with an empty name', withWeight({ name: '' })],
    ['with the same name twice', manifest({ weights: [weight, weight] })],
    ['with the same name in two groups', manifest({}, { paths: ['b.bin'], weights: [weight] })],
    ['with the same shard twice', manifest({ paths: ['a.bin', 'a.bin'] })],
    [
      'with the same shard in two groups',
      manifest({}, { paths: ['a.bin'], weights: [{ ...weight, name: 'b' }] }),
    ],
    ['with a quantisation that is null', withWeight({ quantization: null })],
    ['with a quantisation without a scale', withWeight({ quantization: { dtype: 'uint8', min: 0 } })],
    ['with a scale of 0', withWeight({ quantization: { dtype: 'uint8', min: 0, scale: 0 } })],
    ['with a min that is a text', withWeight({ quantization: { dtype: 'uint8', min: '0', scale: 1 } })],
    ['with a negative dimension', withWeight({ shape: [-2] })],
    ['with a dimension of 1.5', withWeight({ shape: [1.5] })],
    ['with a dimension that is a text', withWeight({ shape: ['2'] })],
    ['with 2^32 elements', withWeight({ shape: [2 ** 16, 2 ** 16] })],
    ['with a dimension of 2^53', withWeight({ shape: [0, 2 ** 53] })],
    ['with nine dimensions', withWeight({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 2] })],
    ['with more bytes than the shards have', withWeight({ shape: [3] })],
    ['with fewer bytes than the shards have', withWeight({ shape: [1] })],
  ];
  test.each(bad)('%s', async (_, json) => {
    expect(await codeOf(() => openLayersStore(folderOf(json, { ...shard, 'b.bin': shard['a.bin'] })))).toBe(
      'bad-model',
    );
  });

  test('that is not UTF-8', async () => {
    const files = openMemoryFiles(new Map([['model.json', Uint8Array.of(0x22, 0xff, 0x22)]]));
    expect(await codeOf(() => openLayersStore(files))).toBe('bad-model');
  });

  test('of more than 64 MiB, without reading it', async () => {
    const files = { ...folderOf({}), size: async () => 2 ** 26 + 1, readInto: () => expect.fail('read it') };
    expect(await codeOf(() => openLayersStore(files))).toBe('bad-model');
  });

  const unsupported: readonly [string, object][] = [
    ['weights quantised to int4', { quantization: { dtype: 'int4', min: 0, scale: 1 } }],
    ['weights of dtype string', { dtype: 'string' }],
    ['weights of dtype toString', { dtype: 'toString' }],
    ['weights of dtype 1', { dtype: 1 }],
  ];
  test.each(unsupported)('with %s', async (_, fields) => {
    expect(await codeOf(() => openLayersStore(folderOf(withWeight(fields), shard)))).toBe(
      'unsupported-model',
    );
  });
});

test('openMemoryFiles() refuses a file that the folder does not have', async () => {
  await expect(folderOf({}).size('a.bin')).rejects.toMatchObject({ code: 'file-not-found' });
});
