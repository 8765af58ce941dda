import { describe, expect, test } from 'vitest';
import { openSafetensorsIndex, openSafetensorsStore } from '../../src/containers/safetensors.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, sampleModel, seededBytes } from '../support.js';
import { fuzz } from './fuzz.js';
import { expectRoundTrip } from './round-trip.js';
import { withHeader, writeSafetensors } from './write-safetensors.js';

const FILE = 'model.safetensors';
const open = (bytes: Uint8Array) => openSafetensorsStore(openMemoryFiles(new Map([[FILE, bytes]])), FILE);
const encoder = new TextEncoder();

test('openSafetensorsStore() reads and writes a model in place, byte for byte', async () => {
  await expectRoundTrip(open, (model) => writeSafetensors(model, { format: 'pt' }), sampleModel);
});

test('openSafetensorsStore() knows 64-bit types, and reads booleans as bytes', async () => {
  const header = {
    wide: { dtype: 'F64', shape: [2, 3], data_offsets: [0, 48] },
    count: { dtype: 'I64', shape: [], data_offsets: [48, 56] },
    flags: { dtype: 'BOOL', shape: [3], data_offsets: [56, 59] },
  };
  const { tensors } = await open(withHeader(JSON.stringify(header), seededBytes(1, 59)));
  expect(tensors).toEqual([
    { name: 'wide', dtype: 'float64', shape: [2, 3] },
    { name: 'count', dtype: 'int64', shape: [] },
    { name: 'flags', dtype: 'uint8', shape: [3] },
  ]);
});

const header = (fields: object, length = 8): Uint8Array =>
  withHeader(
    JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } }),
    seededBytes(1, length),
  );

const twoTensors = (second: readonly [number, number], length: number): Uint8Array =>
  withHeader(
    JSON.stringify({
      a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
      b: { dtype: 'F32', shape: [(second[1] - second[0]) / 4], data_offsets: second },
    }),
    seededBytes(1, length),
  );

const withLength = (length: bigint): Uint8Array => {
  const bytes = header({});
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
};

const REFUSED: Readonly<Record<string, [() => Uint8Array, string]>> = {
  'an empty file': [() => new Uint8Array(0), 'bad-model'],
  'half a length': [() => new Uint8Array(7), 'bad-model'],
  'a header beyond the file': [() => withLength(1_000n), 'bad-model'],
  'a header of 2^64 - 1 bytes': [() => withLength(2n ** 64n - 1n), 'bad-model'],
  'no JSON': [() => withHeader('{"a"'), 'bad-model'],
  'a list': [() => withHeader('[]'), 'bad-model'],
  'broken UTF-8': [() => withHeader('{}').fill(0xff, 8, 10), 'bad-model'],
  'a tensor that is null': [() => withHeader('{"a":null}'), 'bad-model'],
  'no dtype': [() => header({ dtype: 1 }), 'bad-model'],
  'an unknown dtype': [() => header({ dtype: 'F4' }), 'unsupported-model'],
  'a dtype that objects inherit': [() => header({ dtype: 'constructor' }), 'unsupported-model'],
  'a negative size': [() => header({ shape: [-2] }), 'bad-model'],
  'a fraction of an element': [() => header({ shape: [2.5] }), 'bad-model'],
  'a shape that overflows': [() => header({ shape: [2 ** 31, 2 ** 31] }), 'bad-model'],
  'three offsets': [() => header({ data_offsets: [0, 8, 8] }), 'bad-model'],
  'offsets that go back': [() => header({ data_offsets: [8, 0] }), 'bad-model'],
  'offsets of another size': [() => header({ data_offsets: [0, 4] }), 'bad-model'],
  'bytes behind the last tensor': [() => header({}, 9), 'bad-model'],
  'fewer bytes than tensors': [() => header({}, 7), 'bad-model'],
  'tensors that overlap': [() => twoTensors([4, 12], 12), 'bad-model'],
  'a gap between tensors': [() => twoTensors([12, 16], 16), 'bad-model'],
  'two tensors on the same bytes': [() => twoTensors([0, 8], 8), 'bad-model'],
  'a tensor twice': [
    () =>
      withHeader(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        seededBytes(1, 2),
      ),
    'bad-model',
  ],
  'an empty name': [() => withHeader('{"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), 'bad-model'],
};

test.each(Object.entries(REFUSED))('openSafetensorsStore() refuses %s', async (_name, [make, code]) => {
  expect(await codeOf(() => open(make()))).toBe(code);
});

test('openSafetensorsStore() meets any change of a header with a typed error or tensors within the file', async () => {
  const whole = writeSafetensors(sampleModel());
  const end = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
  expect(await fuzz(open, whole, end)).toBeGreaterThan(1_000);
});

const INDEX = 'model.safetensors.index.json';

function sharded(): { files: Map<string, Uint8Array>; map: Record<string, string> } {
  const { tensors } = sampleModel();
  const halves = [tensors.slice(0, 4), tensors.slice(4)];
  const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  const files = new Map(halves.map((half, i) => [names[i] as string, writeSafetensors({ tensors: half })]));
  const map = Object.fromEntries(
    halves.flatMap((half, i) => half.map(({ name }) => [name, names[i] as string])),
  );
  return { files, map };
}

const openIndex = (files: Map<string, Uint8Array>, index: unknown) =>
  openSafetensorsIndex(openMemoryFiles(files.set(INDEX, encoder.encode(JSON.stringify(index)))), INDEX);

describe('openSafetensorsIndex()', () => {
  test('gives the tensors of all shards and writes to them', async () => {
    const { files, map } = sharded();
    const store = await openIndex(files, { metadata: { total_size: 1 }, weight_map: map });
    expect(await copyModel(store)).toEqual(sampleModel());
    const [first, last] = [sampleModel().tensors[0], sampleModel().tensors.at(-1)];
    for (const tensor of [first, last])
      if (tensor?.bytes.length) await store.write(tensor.name, 0, Uint8Array.of(77));
    await store.flush();
    const reopened = await openIndex(files, { weight_map: map });
    const found = new Uint8Array(1);
    await reopened.readInto(first?.name as string, 0, found);
    expect([...found]).toEqual([77]);
  });

  const CHANGED: Readonly<Record<string, [(map: Record<string, string>) => unknown, string]>> = {
    'no map': [() => ({}), 'bad-model'],
    'a shard that is missing': [
      (map) => ({ weight_map: { ...map, x: 'other.safetensors' } }),
      'file-not-found',
    ],
    'a tensor that no shard has': [
      (map) => ({ weight_map: { ...map, x: Object.values(map)[0] } }),
      'bad-model',
    ],
    'a tensor that it does not list': [
      (map) => ({ weight_map: Object.fromEntries(Object.entries(map).slice(1)) }),
      'bad-model',
    ],
    'a shard that is no name': [(map) => ({ weight_map: { ...map, x: 7 } }), 'bad-model'],
    'a shard of another kind': [(map) => ({ weight_map: { ...map, x: 'pytorch_model.bin' } }), 'bad-model'],
    'a shard in another folder': [
      (map) => ({ weight_map: { ...map, x: '../a.safetensors' } }),
      'unsafe-path',
    ],
    'a shard by its absolute path': [
      (map) => ({ weight_map: { ...map, x: '/a.safetensors' } }),
      'unsafe-path',
    ],
    'a shard elsewhere': [(map) => ({ weight_map: { ...map, x: 'https:x.safetensors' } }), 'unsafe-path'],
  };

  test.each(Object.entries(CHANGED))('refuses an index with %s', async (_name, [change, code]) => {
    const { files, map } = sharded();
    expect(await codeOf(() => openIndex(files, change(map)))).toBe(code);
  });
});
