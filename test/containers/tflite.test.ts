import { expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { openTfliteStore } from '../../src/containers/tflite.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, concat, sampleModel, seededBytes, seededTensor } from '../support.js';
import { writeFlat } from './flat-writer.js';
import { fuzz } from './fuzz.js';
import { expectRoundTrip } from './round-trip.js';
import { bufferOf, subgraph, tensorTable, tflite, u32, u64, vector, writeTflite } from './write-tflite.js';

const FILE = 'model.tflite';
const filesOf = (bytes: Uint8Array) => openMemoryFiles(new Map([[FILE, bytes]]));
const open = (bytes: Uint8Array) => openTfliteStore(filesOf(bytes), FILE);
/** Empty tensors have no data: they are not constants. */
const model = () => ({ tensors: sampleModel().tensors.filter(({ bytes }) => bytes.length > 0) });
const kernel = seededTensor('kernel', 'int8', [2, 6]);
const one = (fields: Parameters<typeof tensorTable>[2] = {}, bytes = kernel.bytes): Uint8Array =>
  tflite([subgraph(tensorTable(kernel, 1, fields))], [bufferOf(bytes)]);

test('openTfliteStore() reads and writes a model in place, byte for byte', async () => {
  await expectRoundTrip(open, writeTflite, model);
  expect((await openContainer(filesOf(writeTflite(model())), FILE)).tensors.length).toBe(
    model().tensors.length,
  );
});

test('openTfliteStore() has scales and zero points as tensors, those that are shared once', async () => {
  const scale = vector(new Uint8Array(Float32Array.of(0.5, 0.25).buffer), 2);
  const zero = vector(concat(u64(3), u64(0)), 2);
  const quantization = { table: [null, null, scale, zero] };
  const tensors = ['a', 'b'].map((name, i) => tensorTable({ ...kernel, name }, i + 1, { quantization }));
  const bytes = tflite([subgraph(...tensors)], [bufferOf(kernel.bytes), bufferOf(kernel.bytes.slice())]);
  const found = await copyModel(await open(bytes));
  expect(found.tensors.map(({ name, dtype, shape }) => `${name} ${dtype} ${shape}`)).toEqual([
    'a int8 2,6',
    'a/scale float32 2',
    'a/zero_point int64 2',
    'b int8 2,6',
  ]);
  expect(found.tensors[1]?.bytes).toEqual(new Uint8Array(Float32Array.of(0.5, 0.25).buffer));
});

test('openTfliteStore() tells a scale and a tensor of its name apart', async () => {
  const scale = (value: number) => ({
    table: [null, null, vector(new Uint8Array(Float32Array.of(value).buffer), 1)],
  });
  const tables = [
    tensorTable({ ...kernel, name: 'b/scale' }, 1),
    tensorTable({ ...kernel, name: 'a' }, 2, { quantization: scale(1) }),
    tensorTable({ ...kernel, name: 'a/scale' }, 3),
    tensorTable({ ...kernel, name: 'b' }, 4, { quantization: scale(2) }),
  ];
  const buffers = Array.from({ length: 4 }, () => bufferOf(kernel.bytes.slice()));
  const { tensors } = await open(tflite([subgraph(...tables)], buffers));
  expect(tensors.map(({ name }) => name)).toEqual(['b/scale', 'a', 'a/scale', 'a/scale#2', 'b', 'b/scale#3']);
});

test('openTfliteStore() passes over what is computed and over tensors that share a buffer', async () => {
  const tables = [
    tensorTable({ ...kernel, name: 'input' }, 0),
    tensorTable({ ...kernel, name: 'hidden' }, 2),
    tensorTable(kernel, 1),
    tensorTable({ ...kernel, name: 'alias' }, 1),
  ];
  const { tensors } = await open(tflite([subgraph(...tables)], [bufferOf(kernel.bytes), { table: [] }]));
  expect(tensors.map(({ name }) => name)).toEqual(['kernel']);
});

test('openTfliteStore() tells tensors of one name, of none and of further subgraphs apart', async () => {
  const names = ['kernel', 'kernel', ''].map((name, i) => tensorTable({ ...kernel, name }, i + 1));
  const subgraphs = [subgraph(...names), subgraph(tensorTable(kernel, 4))];
  const buffers = Array.from({ length: 4 }, (_, i) => bufferOf(seededBytes(i, 12)));
  const { tensors } = await open(tflite(subgraphs, buffers));
  expect(tensors.map(({ name }) => name)).toEqual(['kernel', 'kernel#1', '#2', '1/kernel']);
});

test('openTfliteStore() keeps other types as bytes and reads buffers behind the model', async () => {
  const odd = one({ type: 17 }, seededBytes(1, 6));
  expect((await open(odd)).tensors).toEqual([{ name: 'kernel', dtype: 'uint8', shape: [6] }]);
  const outside = (start: number): Uint8Array =>
    tflite([subgraph(tensorTable(kernel, 1))], [{ table: [null, u64(start), u64(12)] }]);
  const start = outside(9).length;
  const found = await copyModel(await open(concat(outside(start), kernel.bytes)));
  expect(found.tensors).toEqual([kernel]);
});

test('openTfliteStore() has the stored values of a sparse tensor, and refuses a part of one', async () => {
  const sparse = { type: 1, sparsity: { table: [] } };
  expect((await open(one(sparse, seededBytes(1, 6)))).tensors).toEqual([
    { name: 'kernel', dtype: 'float16', shape: [3] },
  ]);
  expect(await codeOf(() => open(one(sparse, seededBytes(1, 7))))).toBe('bad-model');
});

const at = (change: (view: DataView) => void) => (): Uint8Array => {
  const bytes = one();
  change(new DataView(bytes.buffer));
  return bytes;
};

const REFUSED: Readonly<Record<string, () => Uint8Array>> = {
  'an empty file': () => new Uint8Array(0),
  'another identifier': at((view) => view.setUint8(7, 0x34)),
  'a first offset of 0': at((view) => view.setUint32(0, 0, true)),
  'a first offset beyond the end': at((view) => view.setUint32(0, 2 ** 31, true)),
  'a table of offsets before the start': at((view) => view.setInt32(view.getUint32(0, true), 2 ** 30, true)),
  'too few bytes': () => one({}, seededBytes(1, 11)),
  'too many bytes': () => one({}, seededBytes(1, 13)),
  'a buffer that is not there': () => tflite([subgraph(tensorTable(kernel, 2))], [bufferOf(kernel.bytes)]),
  'a vector longer than the file': () =>
    tflite([subgraph(tensorTable(kernel, 1))], [{ table: [vector(kernel.bytes, 2 ** 31)] }]),
  'a vector of tables longer than the file': () =>
    writeFlat({ table: [u32(3), null, vector(kernel.bytes, 2 ** 30), null, null] }, 'TFL3'),
  'a negative size': () =>
    tflite([subgraph(tensorTable({ ...kernel, shape: [-1, 2] }, 1))], [bufferOf(kernel.bytes)]),
  'nine dimensions': () =>
    tflite([subgraph(tensorTable({ ...kernel, shape: Array(9).fill(1) }, 1))], [bufferOf(seededBytes(1, 1))]),
  'a name that is not UTF-8': () => {
    const sizes = vector(new Uint8Array(Int32Array.of(2, 6).buffer), 2);
    const name = vector(Uint8Array.of(0xff), 1);
    const tensor = { table: [sizes, Uint8Array.of(9, 0, 0, 0), u32(1), name] };
    return tflite([subgraph(tensor)], [bufferOf(kernel.bytes)]);
  },
  'a buffer beyond the end': () =>
    tflite([subgraph(tensorTable(kernel, 1))], [{ table: [null, u64(2 ** 40), u64(12)] }]),
  'one graph very often, with one tensor very often': () => {
    const graph = subgraph(...Array(10_000).fill(tensorTable(kernel, 0)));
    return tflite(Array(10_000).fill(graph), [bufferOf(kernel.bytes)]);
  },
  'buffers that overlap': () =>
    tflite(
      [subgraph(tensorTable(kernel, 1), tensorTable({ ...kernel, name: 'b' }, 2))],
      [{ table: [null, u64(8), u64(12)] }, { table: [null, u64(12), u64(12)] }],
    ),
};

test.each(Object.entries(REFUSED))('openTfliteStore() refuses %s', async (_name, make) => {
  expect(await codeOf(() => open(make()))).toBe('bad-model');
});

test('openTfliteStore() meets any change of a file with a typed error or tensors within it', async () => {
  expect(await fuzz(open, writeTflite(model()))).toBeGreaterThan(300);
});
