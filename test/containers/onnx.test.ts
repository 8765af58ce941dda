import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { planApply } from '../../src/apply/plan.js';
import { openOnnxStore } from '../../src/containers/onnx.js';
import { listExternalFiles, openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import type { Tensor } from '../../src/model/tensor.js';
import type { Op } from '../../src/payload/diff.js';
import { packDiff } from '../../src/payload/encode.js';
import { codeOf, concat, sampleModel, seededBytes, seededTensor } from '../support.js';
import { fuzz } from './fuzz.js';
import { expectRoundTrip } from './round-trip.js';
import {
  externalData,
  field,
  floatData,
  nodeWith,
  onnxModel,
  rawData,
  tensorProto,
  varint,
  writeOnnx,
} from './write-onnx.js';

const FILE = 'model.onnx';
const filesOf = (bytes: Uint8Array, others: Record<string, Uint8Array> = {}) =>
  openMemoryFiles(new Map([...Object.entries(others), [FILE, bytes]]));
const open = (bytes: Uint8Array, others?: Record<string, Uint8Array>) =>
  openOnnxStore(filesOf(bytes, others), FILE);
const initializer = (...args: Parameters<typeof tensorProto>): Uint8Array => field(5, tensorProto(...args));

const kernel = seededTensor('kernel', 'float32', [3, 4]);

test('openOnnxStore() reads and writes a model in place, byte for byte', async () => {
  await expectRoundTrip(open, writeOnnx, sampleModel);
});

test('openContainer() knows ONNX by its content and by its name', async () => {
  const bytes = writeOnnx(sampleModel());
  const store = await openContainer(openMemoryFiles(new Map([['weights', bytes]])), 'weights');
  expect(store.tensors.length).toBe(sampleModel().tensors.length);
  const graphFirst = field(7, initializer(kernel));
  expect((await openContainer(filesOf(graphFirst), FILE)).tensors.length).toBe(1);
});

test.each([
  ['packed', floatData],
  ['in two packs', ({ bytes }: Tensor) => concat(field(4, bytes.slice(0, 20)), field(4, bytes.slice(20)))],
  [
    'one by one',
    ({ bytes }: Tensor) =>
      concat(
        ...Array.from({ length: 12 }, (_, i) => concat(varint(8 * 4 + 5), bytes.slice(4 * i, 4 * i + 4))),
      ),
  ],
])('openOnnxStore() reads and writes float_data %s', async (_name, data) => {
  const bytes = onnxModel(initializer(kernel, data));
  const store = await open(bytes);
  expect(await copyModel(store)).toEqual({ tensors: [kernel] });
  const changed = { ...kernel, bytes: seededBytes(5, 48) };
  await store.write('kernel', 0, changed.bytes);
  expect(bytes).toEqual(onnxModel(initializer(changed, data)));
});

describe('openOnnxStore() reads varints', () => {
  const int32Data = (values: readonly number[]) => () =>
    field(5, concat(...values.map((value) => varint(value))));
  const CASES: readonly [string, Tensor['dtype'], number, readonly number[], readonly number[]][] = [
    ['of int32', 'int32', 6, [1, -2], [1, 0, 0, 0, 254, 255, 255, 255]],
    ['of int8', 'int8', 3, [-1, 5], [255, 5]],
    ['of float16', 'float16', 10, [0x3c00, 0xbc00], [0, 0x3c, 0, 0xbc]],
  ];
  test.each(CASES)('%s, and refuses to write them', async (_name, dtype, type, values, expected) => {
    const tensor = { name: 'a', dtype, shape: [2], bytes: new Uint8Array(0) };
    const store = await open(onnxModel(initializer(tensor, int32Data(values), type)));
    expect(await copyModel(store)).toEqual({ tensors: [{ ...tensor, bytes: Uint8Array.from(expected) }] });
    expect(await codeOf(() => store.write('a', 0, Uint8Array.of(1)))).toBe('unsupported-model');
  });

  test('of int64', async () => {
    const tensor = { name: 'shape', dtype: 'int32' as const, shape: [2], bytes: new Uint8Array(0) };
    const data = (): Uint8Array => concat(field(7, -1n), field(7, 258n));
    const { tensors } = await copyModel(await open(onnxModel(initializer(tensor, data, 7))));
    const bytes = Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 2, 1, 0, 0, 0, 0, 0, 0);
    expect(tensors).toEqual([{ name: 'shape', dtype: 'int64', shape: [2], bytes }]);
  });
});

test('applyPayload() changes nothing of a model whose varints a payload would change', async () => {
  const shape: Tensor = {
    name: 'shape',
    dtype: 'int32',
    shape: [2],
    bytes: Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0),
  };
  const varints = (): Uint8Array => concat(field(5, 1), field(5, 2));
  const bytes = onnxModel(initializer(kernel), initializer(shape, varints));
  const before = bytes.slice();
  const change = (tensor: string): Op => {
    return { kind: 'sparse', tensor, scale: 1, positions: Uint32Array.of(0), levels: Int16Array.of(3) };
  };
  const base = { tensors: [kernel, shape] };
  const { payload } = await packDiff(base, { ops: [change('kernel'), change('shape')] }, {});
  const store = await open(bytes);
  const plan = await planApply(store, payload);
  expect([plan.status, plan.problem?.code]).toEqual(['refused', 'unsupported-model']);
  expect(await codeOf(() => applyPayload(store, payload))).toBe('unsupported-model');
  expect(bytes).toEqual(before);
  const allowed = await packDiff(base, { ops: [change('kernel')] }, {});
  expect((await applyPayload(store, allowed.payload)).status).toBe('applied');
});

test('openOnnxStore() finds initialisers of graphs within nodes', async () => {
  const inner = field(5, tensorProto(kernel));
  const loop = concat(nodeWith(), nodeWith(inner, inner), inner);
  const { tensors } = await open(onnxModel(nodeWith(loop), inner));
  expect(tensors.map(({ name }) => name)).toEqual([
    '0.0/1.0/kernel',
    '0.0/1.1/kernel',
    '0.0/kernel',
    'kernel',
  ]);
});

test('openOnnxStore() reads and writes external data', async () => {
  const other = seededTensor('other', 'float16', [5]);
  const data = concat(seededBytes(1, 7), kernel.bytes, other.bytes);
  const bytes = onnxModel(
    initializer(kernel, externalData('model.onnx.data', 7, 48)),
    initializer(other, externalData('model.onnx.data', 55)),
  );
  const store = await open(bytes, { 'model.onnx.data': data });
  expect(await copyModel(store)).toEqual({ tensors: [kernel, other] });
  await store.write('other', 2, Uint8Array.of(1, 2));
  expect([...data.slice(57, 59)]).toEqual([1, 2]);
});

const graphsDeep = (depth: number): Uint8Array =>
  depth === 0 ? initializer(kernel) : nodeWith(graphsDeep(depth - 1));
const proto = (...parts: Uint8Array[]): Uint8Array => onnxModel(field(5, concat(...parts)));
const external = (...args: Parameters<typeof externalData>): Uint8Array =>
  onnxModel(initializer(kernel, externalData(...args)));

const sharing = (second: number): Uint8Array =>
  onnxModel(
    initializer({ ...kernel, shape: [4] }, externalData('data', 0)),
    initializer({ ...kernel, name: 'other', shape: [4] }, externalData('data', second)),
  );

const REFUSED: Readonly<Record<string, [() => Uint8Array, string]>> = {
  'an empty file': [() => new Uint8Array(0), 'bad-model'],
  'no graph': [() => field(1, 8), 'bad-model'],
  'two graphs': [() => concat(writeOnnx({ tensors: [] }), field(7, '')), 'bad-model'],
  'a graph that is a number': [() => field(7, 1), 'bad-model'],
  'field 0': [() => Uint8Array.of(0, 0), 'bad-model'],
  'a group': [() => Uint8Array.of(0x3b), 'bad-model'],
  'a number that does not end': [() => Uint8Array.of(8, 0x80, 0x80), 'bad-model'],
  'a number of eleven bytes': [() => Uint8Array.from([8, ...Array(10).fill(0x80), 1]), 'bad-model'],
  'a field longer than its message': [() => Uint8Array.of(0x3a, 9, 1), 'bad-model'],
  'a field of 2^63 bytes': [() => concat([0x3a], varint(2n ** 63n)), 'bad-model'],
  'graphs that lie too deep': [() => onnxModel(graphsDeep(17)), 'bad-model'],
  'sparse initialisers': [() => onnxModel(field(15, '')), 'unsupported-model'],
  'texts as elements': [() => onnxModel(initializer(kernel, rawData, 8)), 'unsupported-model'],
  'elements of four bits': [() => onnxModel(initializer(kernel, rawData, 22)), 'unsupported-model'],
  segments: [() => proto(field(8, 'a'), field(3, '')), 'unsupported-model'],
  'no data type': [() => proto(field(8, 'a'), field(9, 'abcd')), 'unsupported-model'],
  'no name': [() => proto(field(2, 2), field(9, 'a')), 'bad-model'],
  'a name that is not UTF-8': [() => proto(field(8, Uint8Array.of(0xff)), field(2, 2)), 'bad-model'],
  'a name twice': [() => onnxModel(initializer(kernel), initializer(kernel)), 'bad-model'],
  'a negative size': [() => proto(field(8, 'a'), field(2, 2), field(1, -1)), 'bad-model'],
  'too few bytes': [() => onnxModel(initializer(kernel, () => field(9, 'abc'))), 'bad-model'],
  'raw data twice': [
    () => onnxModel(initializer(kernel, (t) => concat(rawData(t), rawData(t)))),
    'bad-model',
  ],
  'raw data and varints': [
    () => onnxModel(initializer(kernel, (t) => concat(rawData(t), field(5, 1)))),
    'bad-model',
  ],
  'varints of another count': [
    () => onnxModel(initializer(kernel, () => field(5, concat([1, 2])))),
    'bad-model',
  ],
  'external data beyond their file': [() => external('data', 1), 'bad-model'],
  'external data that two tensors share': [() => sharing(0), 'bad-model'],
  'external data that overlap': [() => sharing(12), 'bad-model'],
  'external data of another length': [() => external('data', 0, 40), 'bad-model'],
  'external data from half a byte': [() => external('data', 0.5), 'bad-model'],
  'external data in a missing file': [() => external('other', 0), 'file-not-found'],
  'external data in the model itself': [() => external(FILE, 0), 'bad-model'],
  'external data in the model itself, in capitals': [() => external('MODEL.onnx', 0), 'bad-model'],
  'external data in the journal': [() => external('model.onnx.undo', 0), 'unsafe-path'],
  'external data above the folder': [() => external('../data', 0), 'unsafe-path'],
  'external data anywhere': [() => external('/etc/passwd', 0), 'unsafe-path'],
};

test.each(Object.entries(REFUSED))('openOnnxStore() refuses %s', async (_name, [make, code]) => {
  expect(await codeOf(() => open(make(), { data: kernel.bytes.slice() }))).toBe(code);
});

test('openOnnxStore() refuses external data in the model itself under another name, and names that differ by case', async () => {
  const bytes = external('alias', 0);
  expect(await codeOf(() => open(bytes, { alias: bytes }))).toBe('bad-model');
  const data = seededBytes(1, 96);
  const two = onnxModel(
    initializer(kernel, externalData('data', 0)),
    initializer({ ...kernel, name: 'other' }, externalData('Data', 48)),
  );
  expect(await codeOf(() => open(two, { data, Data: data }))).toBe('bad-model');
});

test('openOnnxStore() meets any change of a file with a typed error or tensors within it', async () => {
  const tensors = sampleModel().tensors.slice(0, 3);
  const branch = nodeWith(field(5, tensorProto(kernel, floatData)));
  const whole = onnxModel(branch, ...tensors.map((tensor) => initializer(tensor)));
  const listAndOpen = async (bytes: Uint8Array) => {
    expect(await listExternalFiles(filesOf(bytes), FILE)).toEqual([]);
    return open(bytes);
  };
  expect(await fuzz(listAndOpen, whole)).toBeGreaterThan(300);
});

describe('listExternalFiles()', () => {
  const list = (bytes: Uint8Array, ...others: string[]) =>
    listExternalFiles(
      filesOf(bytes, Object.fromEntries(others.map((name) => [name, new Uint8Array(0)]))),
      FILE,
    );
  const named = (location: string): Uint8Array => tensorProto(kernel, externalData(location));
  const attribute = (number: number, message: Uint8Array): Uint8Array =>
    field(1, field(5, field(number, message)));

  test('finds what initialisers, constants, branches, functions and training name', async () => {
    const bytes = concat(
      onnxModel(
        field(5, named('weights')),
        field(5, named('weights')),
        field(15, concat(field(1, named('values')), field(2, named('indices')))),
        attribute(5, named('constant')),
        attribute(10, named('list')),
        attribute(6, field(5, named('branch'))),
        attribute(11, attribute(22, field(1, named('deep')))),
      ),
      field(20, field(1, field(5, named('training')))),
      field(25, field(7, field(5, field(5, named('function'))))),
    );
    const all = [
      'weights',
      'values',
      'indices',
      'constant',
      'list',
      'branch',
      'deep',
      'training',
      'function',
    ];
    expect(await list(bytes, ...all)).toEqual(all);
  });

  test('finds none of models in one file', async () => {
    expect(await list(writeOnnx(sampleModel()))).toEqual([]);
  });

  test('refuses files elsewhere or missing, and messages that lie too deep', async () => {
    const deep = (depth: number): Uint8Array => (depth === 0 ? named('a') : attribute(6, deep(depth - 1)));
    expect(await codeOf(() => list(onnxModel(field(5, named('../up'))), 'up'))).toBe('unsafe-path');
    expect(await codeOf(() => list(onnxModel(field(5, named(FILE)))))).toBe('bad-model');
    expect(await codeOf(() => list(onnxModel(field(5, named(`${FILE}.undo`))), `${FILE}.undo`))).toBe(
      'unsafe-path',
    );
    expect(await codeOf(() => list(onnxModel(field(5, named('a')))))).toBe('file-not-found');
    expect(await codeOf(() => list(onnxModel(deep(100))))).toBe('bad-model');
  });
});
