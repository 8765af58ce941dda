import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openHdf5Store } from '../../src/containers/hdf5/hdf5.js';
import { openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { canonicalOrder, type Model } from '../../src/model/tensor.js';
import { codeOf, offsetView, pack, sampleModel, seededTensor } from '../support.js';
import { fuzz } from './fuzz.js';
import { expectRoundTrip } from './round-trip.js';
import { buildHdf5, type Oldest, readHdf5, writeHdf5 } from './write-hdf5.js';

const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, 'files', name)));
const filesOf = (bytes: Uint8Array) => openMemoryFiles(new Map([['a', bytes]]));
const open = (bytes: Uint8Array) => openHdf5Store(filesOf(bytes), 'a');
const floats = (...values: number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];

/** In the order of paths; without halves, which the library does not write in JavaScript. */
const model = (): Model => ({
  tensors: canonicalOrder(sampleModel().tensors.filter(({ dtype }) => !dtype.endsWith('float16'))),
});
/** So many tensors that a group's links do not fit into its object header. */
const many = (count: number, name = 'w'): Model => ({
  tensors: canonicalOrder(
    Array.from({ length: count }, (_, i) => seededTensor(`${name}${i}`, 'float32', [1 + (i % 3)], i)),
  ),
});

const FORMS: readonly Oldest[] = ['earliest', 'v108', 'v200'];

test.each(FORMS)('openHdf5Store() reads and writes a model in place, byte for byte: %s', async (oldest) => {
  await expectRoundTrip(open, (each) => writeHdf5(each, oldest), model);
  await expectRoundTrip(
    open,
    (each) => writeHdf5(each, oldest),
    () => many(9),
  );
});

test.each([
  ['earliest', 700, 'w'],
  ['v108', 1_500, 'w'],
  // Names so long that the heap has tables of blocks within its table.
  ['v108', 1_300, 'w'.repeat(500)],
] as const)('openHdf5Store() walks trees of groups: %s, %d datasets', async (oldest, count, name) => {
  expect(await copyModel(await open(writeHdf5(many(count, name), oldest)))).toEqual(many(count, name));
});

test.each([
  ['model.h5', 'model_weights/hidden/tiny/hidden', ['bias', 'kernel']],
  ['model.weights.h5', 'layers/dense/vars', ['1', '0']],
])('openHdf5Store() reads %s of Keras', async (file, group, [bias, kernel]) => {
  const { tensors } = await copyModel(await openContainer(filesOf(read(file)), 'a'));
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  expect(byName.get(`${group}/${kernel}`)).toMatchObject({ dtype: 'float32', shape: [4, 3] });
  expect([...(byName.get(`${group}/${bias}`)?.bytes ?? [])]).toEqual(floats(0, 0.25, 0.5));
  expect(tensors.map(({ shape }) => shape.length).sort()).toEqual([0, 0, 1, 1, 2, 2]);
});

test('openHdf5Store() gives each dataset of Keras its path', async () => {
  expect((await open(read('model.h5'))).tensors.map(({ name }) => name)).toEqual([
    'model_weights/hidden/tiny/hidden/bias',
    'model_weights/hidden/tiny/hidden/kernel',
    'model_weights/out/tiny/out/bias',
    'model_weights/out/tiny/out/kernel',
    'optimizer_weights/sgd/iteration',
    'optimizer_weights/sgd/learning_rate',
  ]);
});

test.each(['model.h5', 'model.weights.h5'])(
  'applyPayload() patches %s in place: the HDF5 library reads the new values',
  async (file) => {
    const bytes = offsetView(read(file));
    const base = await copyModel(await open(bytes));
    const tensor = base.tensors.find(({ shape }) => shape.length === 2)?.name ?? '';
    const before = readHdf5(bytes, tensor) as Float32Array;
    const positions = Uint32Array.of(0, 7);
    const levels = Int16Array.of(3, -2);
    const { payload } = await pack(base, {
      ops: [{ kind: 'sparse', tensor, scale: 0.25, positions, levels }],
    });
    await applyPayload(await open(bytes), payload);
    const after = before.map((value, i) => value + (i === 0 ? 0.75 : i === 7 ? -0.5 : 0));
    expect(readHdf5(bytes, tensor)).toEqual(after);
  },
);

test.each(['types.h5', 'types-latest.h5'])(
  'openHdf5Store() knows the types of elements: %s',
  async (file) => {
    const store = await open(read(file));
    const { tensors } = await copyModel(store);
    const listed = tensors.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape}]`);
    expect(listed).toEqual([
      'brain bfloat16[3]',
      'compact float32[3]',
      'double float64[3]',
      'empty float32[0,3]',
      'flags uint8[2]',
      'half float16[5]',
      'integers/i1 int8[2]',
      'integers/i2 int16[2]',
      'integers/i4 int32[2]',
      'integers/i8 int64[2]',
      'integers/u1 uint8[2]',
      'integers/u2 uint16[2]',
      'integers/u4 uint32[2]',
      'integers/u8 uint64[2]',
      'opaque uint8[2,2]',
      'scalar float32[]',
    ]);
    const byName = new Map(tensors.map(({ name, bytes }) => [name, [...bytes]]));
    expect(byName.get('brain')).toEqual([0, 0, 0x80, 0x3f, 0, 0x40]);
    expect(byName.get('compact')).toEqual(floats(0, 1, 2));
    expect(byName.get('flags')).toEqual([1, 0]);
    expect(byName.get('scalar')).toEqual(floats(2.5));
  },
);

test('openHdf5Store() writes a dataset in its object header, where no checksum covers it', async () => {
  const bytes = read('types.h5');
  await (await open(bytes)).write('compact', 4, Uint8Array.from(floats(7)));
  expect(readHdf5(bytes, 'compact')).toEqual(Float32Array.of(0, 7, 2));
  const covered = await open(read('types-latest.h5'));
  expect([...(covered.readOnly ?? [])]).toEqual(['compact']);
  expect(await codeOf(() => covered.write('compact', 0, Uint8Array.of(1)))).toBe('unsupported-model');
});

test.each(FORMS)('openHdf5Store() gives a dataset of several paths the first of them: %s', async (oldest) => {
  const bytes = buildHdf5((file) => {
    file.create_group('b');
    file.create_group('b/c');
    file.create_dataset({ name: 'b/c/x', data: Float32Array.of(1) });
    file.create_hard_link('/b/c/x', 'z');
    file.create_hard_link('/b/c/x', 'a');
    file.create_hard_link('/b', 'b/c/circle');
    file.create_soft_link('/b/c', 'b/soft');
    file.create_soft_link('/nowhere', 'dangling');
    file.create_attribute('note', 'text');
  }, oldest);
  expect((await open(bytes)).tensors).toEqual([{ name: 'a', dtype: 'float32', shape: [1] }]);
});

test('openHdf5Store() reads the structure of a file alone', async () => {
  const tensors = ['a', 'b', 'c'].map((name) => seededTensor(name, 'float32', [2 ** 18]));
  const files = filesOf(writeHdf5({ tensors }));
  let bytesRead = 0;
  const counted: typeof files = {
    ...files,
    readInto(path, offset, target) {
      bytesRead += target.length;
      return files.readInto(path, offset, target);
    },
  };
  expect((await openHdf5Store(counted, 'a')).tensors.length).toBe(3);
  expect(bytesRead).toBeLessThan(2 ** 15);
});

test.each([
  ['earliest', 3],
  ['v108', 3],
  ['v108', 12],
] as const)(
  'openHdf5Store() meets any change of a file with a typed error or tensors within it: %s, %d datasets',
  async (oldest, count) => {
    expect(await fuzz(open, writeHdf5(many(count), oldest))).toBeGreaterThan(300);
  },
);

test('openHdf5Store() meets any change of a file of Keras with a typed error or tensors within it', async () => {
  expect(await fuzz(open, read('model.weights.h5'))).toBeGreaterThan(50);
});
