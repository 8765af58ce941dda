import { expect, test } from 'vitest';
import type { EncodedFile } from '../../src/containers/encoded-file.js';
import { openContainer } from '../../src/containers/open-container.js';
import { encodeLayers } from '../../src/containers/write-layers.js';
import { encodeNpz } from '../../src/containers/write-npz.js';
import { encodeSafetensors } from '../../src/containers/write-safetensors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../src/model/store.js';
import { canonicalOrder, DTYPES, type DType, type Model } from '../../src/model/tensor.js';
import { codeOf, concat, createRandom, expectSameModel, seededTensor } from '../support.js';

/** Dtypes that NumPy has. */
const PLAIN = (Object.keys(DTYPES) as DType[]).filter(
  (dtype) => dtype !== 'bfloat16' && !dtype.startsWith('float8'),
);

/** Names that are hard for a container to hold. */
const NAMES = ['__proto__', '0', '7', 'a.npy', '../up', '/root', 'a\\b', '"', '\n', 'größe/重み😀', ' ', 'x'];

/** @returns a model of hard and plain names, of every size around the chunk of a container */
function randomModel(seed: number, dtypes: readonly DType[]): Model {
  const random = createRandom(seed);
  const names = NAMES.filter(() => random() % 2 === 0);
  const tensors = [...names, 'last'].map((name, i) => {
    const dtype = dtypes[random() % dtypes.length] as DType;
    const shape = Array.from({ length: random() % 4 }, () => random() % 7);
    return seededTensor(name, dtype, name === 'last' ? [(random() % 5) * 70_000 + 1] : shape, seed + i);
  });
  return { tensors };
}

/** @returns the content of a file, whose stated length it must have */
async function contentOf({ bytes, pieces }: EncodedFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  const content = concat(...parts);
  expect(content.length).toBe(bytes);
  return content;
}

async function reopen(files: ReadonlyMap<string, EncodedFile>, main: string): Promise<WeightStore> {
  const contents = new Map<string, Uint8Array>();
  for (const [path, file] of files) contents.set(path, await contentOf(file));
  return openContainer(openMemoryFiles(contents), main);
}

/** @returns a `model.json` for a model */
function topologyOf({ tensors }: Model): { path: string; bytes: Uint8Array } {
  const weights = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const json = { modelTopology: { any: [1e-7, 0.1] }, weightsManifest: [{ paths: ['old.bin'], weights }] };
  return { path: 'old.json', bytes: new TextEncoder().encode(JSON.stringify(json)) };
}

const WRITERS = {
  safetensors: async (store: WeightStore) =>
    reopen(new Map([['m.safetensors', encodeSafetensors(store)]]), 'm.safetensors'),
  npz: async (store: WeightStore) => reopen(new Map([['m.npz', encodeNpz(store)]]), 'm.npz'),
  tfjs: async (store: WeightStore, model: Model) =>
    reopen(await encodeLayers(store, topologyOf(model)), 'model.json'),
};
const FORMATS = Object.keys(WRITERS) as (keyof typeof WRITERS)[];

test('a model keeps fingerprint and tensors through any three containers', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = createRandom(seed);
    const model = randomModel(seed, PLAIN);
    let store: WeightStore = openMemoryStore(model);
    const expected = await fingerprint(store);
    for (let i = 0; i < 3; i++) {
      const format = FORMATS[random() % FORMATS.length] as (typeof FORMATS)[number];
      store = await WRITERS[format](store, model);
      expect([seed, format, await fingerprint(store)]).toEqual([seed, format, expected]);
    }
    const found = await copyModel(store);
    expectSameModel({ tensors: canonicalOrder(found.tensors) }, { tensors: canonicalOrder(model.tensors) });
  }
});

test('encodeSafetensors() and encodeLayers() write every dtype', async () => {
  const tensors = (Object.keys(DTYPES) as DType[]).map((dtype, i) => seededTensor(dtype, dtype, [3], i));
  const store = openMemoryStore({ tensors });
  for (const format of ['safetensors', 'tfjs'] as const)
    expect(await fingerprint(await WRITERS[format](store, { tensors }))).toBe(await fingerprint(store));
});

test('encodeSafetensors() aligns each tensor as the reference writer does', async () => {
  const tensors = (['int8', 'float16', 'float64', 'float32'] as const).map((dtype) =>
    seededTensor(dtype, dtype, [3]),
  );
  const bytes = await contentOf(encodeSafetensors(openMemoryStore({ tensors })));
  const length = new DataView(bytes.buffer).getUint32(0, true);
  expect(length % 8).toBe(0);
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
    float64: { dtype: 'F64', shape: [3], data_offsets: [0, 24] },
    float32: { dtype: 'F32', shape: [3], data_offsets: [24, 36] },
    float16: { dtype: 'F16', shape: [3], data_offsets: [36, 42] },
    int8: { dtype: 'I8', shape: [3], data_offsets: [42, 45] },
  });
});

test('encodeNpz() writes the bytes of headers that NumPy does', async () => {
  const bytes = await contentOf(encodeNpz(openMemoryStore({ tensors: [seededTensor('a', 'uint8', [3])] })));
  const text = new TextDecoder('latin1').decode(bytes.subarray(35, 35 + 128));
  expect(text).toBe(
    `\u0093NUMPY\u0001\0v\0${"{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }".padEnd(117)}\n`,
  );
});

test('writers refuse what their container cannot hold', async () => {
  const storeOf = (name: string, dtype: DType = 'float32') =>
    openMemoryStore({ tensors: [seededTensor(name, dtype, [2])] });
  const unsupported = 'unsupported-model';
  expect(await codeOf(async () => encodeSafetensors(storeOf('__metadata__')))).toBe(unsupported);
  for (const dtype of ['bfloat16', 'float8_e4m3fn', 'float8_e5m2'] as const)
    expect(await codeOf(async () => encodeNpz(storeOf('a', dtype)))).toBe(unsupported);
  expect(await codeOf(async () => encodeNpz(storeOf('a\0b')))).toBe(unsupported);
  const large = { name: 'large', dtype: 'float32', shape: [2 ** 30] } as const;
  expect(await codeOf(async () => encodeNpz({ ...storeOf('a'), tensors: [large] }))).toBe(unsupported);
  const many = Array.from({ length: 2 ** 16 }, (_, i) => ({ ...large, name: `${i}`, shape: [1] }));
  expect(await codeOf(async () => encodeNpz({ ...storeOf('a'), tensors: many }))).toBe(unsupported);
});

test('encodeLayers() refuses the topology of other tensors, and one that is none', async () => {
  const of = (name: string, shape = [2], dtype: DType = 'float32'): Model => ({
    tensors: [seededTensor(name, dtype, shape)],
  });
  const store = openMemoryStore(of('a'));
  const layout = async (model: Model) => codeOf(() => encodeLayers(store, topologyOf(model)));
  for (const other of [of('b'), of('a', [1, 2]), of('a', [2], 'int32'), { tensors: [] }])
    expect(await layout(other)).toBe('wrong-layout');
  expect(await layout({ tensors: [...of('a').tensors, ...of('b').tensors] })).toBe('wrong-layout');
  for (const text of ['', '{}', '[]', 'null', '{"weightsManifest":[{}]}'])
    expect(
      await codeOf(() => encodeLayers(store, { path: 'model.json', bytes: new TextEncoder().encode(text) })),
    ).toBe('bad-model');
});
