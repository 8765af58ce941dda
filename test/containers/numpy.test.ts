import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openNpyStore, openNpzStore } from '../../src/containers/npy.js';
import { openContainer } from '../../src/containers/open-container.js';
import { crc32 } from '../../src/containers/zip.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, concat, errorOf, seededBytes } from '../support.js';
import { fuzz } from './fuzz.js';
import { npyFloats, writeZip } from './write-npz.js';

const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, 'files', name)));
const filesOf = (bytes: Uint8Array) => openMemoryFiles(new Map([['a', bytes]]));
const openNpz = (bytes: Uint8Array) => openNpzStore(filesOf(bytes), 'a');
const openNpy = (bytes: Uint8Array) => openNpyStore(filesOf(bytes), 'a');
const encoder = new TextEncoder();

test('crc32() gives the check value of its standard, whole or in pieces', () => {
  const digits = encoder.encode('123456789');
  expect(crc32(digits)).toBe(0xcbf43926);
  expect(crc32(digits.subarray(4), crc32(digits.subarray(0, 4)))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test('openNpyStore() reads an array of NumPy and writes it in place', async () => {
  const bytes = read('array.npy');
  const store = await openNpy(bytes);
  expect(store.tensors).toEqual([{ name: 'arr_0', dtype: 'float32', shape: [3, 4] }]);
  const { tensors } = await copyModel(store);
  expect([...(tensors[0]?.bytes ?? [])]).toEqual([...bytes.slice(128)]);
  await store.write('arr_0', 4, Uint8Array.of(1, 2));
  expect([...bytes.slice(132, 134)]).toEqual([1, 2]);
});

test('openNpzStore() reads the arrays of an archive of NumPy', async () => {
  const store = await openNpz(read('model.npz'));
  expect(store.tensors).toEqual([
    { name: 'kernel', dtype: 'float32', shape: [3, 4] },
    { name: 'half', dtype: 'float16', shape: [5] },
    { name: 'quantised', dtype: 'int8', shape: [2, 3] },
    { name: 'steps', dtype: 'int64', shape: [2] },
    { name: 'scale', dtype: 'float32', shape: [] },
    { name: 'empty', dtype: 'float32', shape: [0, 3] },
    { name: 'flags', dtype: 'uint8', shape: [2] },
  ]);
  const { tensors } = await copyModel(store);
  const byName = new Map(tensors.map(({ name, bytes }) => [name, [...bytes]]));
  expect(byName.get('quantised')).toEqual([253, 254, 255, 0, 1, 2]);
  expect(byName.get('scale')).toEqual([0, 0, 0x20, 0x40]);
  expect(byName.get('flags')).toEqual([1, 0]);
});

test('openNpzStore() makes of a file, checksums included, what NumPy writes', async () => {
  const bytes = read('model.npz');
  const store = await openNpz(bytes);
  await store.write('kernel', 0, new Uint8Array(Float32Array.of(7).buffer));
  expect(bytes).not.toEqual(read('next.npz'));
  await store.flush();
  expect(bytes).toEqual(read('next.npz'));
});

test('openContainer() knows arrays and archives by their content', async () => {
  expect((await openContainer(filesOf(read('array.npy')), 'a')).tensors.length).toBe(1);
  expect((await openContainer(filesOf(read('model.npz')), 'a')).tensors.length).toBe(7);
});

/** @returns an array with a header of its own, version 1 unless given */
function npy(header: string, { bytes = 8, version = 1 } = {}): Uint8Array {
  const text = encoder.encode(header);
  const length = new Uint8Array(version === 1 ? 2 : 4);
  length[0] = text.length & 255;
  length[1] = text.length >>> 8;
  return concat([0x93], encoder.encode('NUMPY'), [version, 0], length, text, seededBytes(1, bytes));
}

const header = ({ descr = "'<f4'", fortran = 'False', shape = '(2,)' } = {}): string =>
  `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

test.each([2, 3])('openNpyStore() reads version %d', async (version) => {
  expect((await openNpy(npy(header(), { version }))).tensors[0]?.shape).toEqual([2]);
});

test('openNpyStore() reads Fortran order where it is none', async () => {
  const { tensors } = await openNpy(npy(header({ fortran: 'True', shape: '(1, 2)' })));
  expect(tensors[0]?.shape).toEqual([1, 2]);
});

const REFUSED: Readonly<Record<string, [() => Uint8Array, string]>> = {
  'an empty file': [() => new Uint8Array(0), 'bad-model'],
  'another file': [() => seededBytes(1, 100), 'bad-model'],
  'half a head': [() => npy(header()).slice(0, 9), 'bad-model'],
  'half a header': [() => npy(header()).slice(0, 40), 'bad-model'],
  'a header of 4 GiB': [() => npy(header(), { version: 2 }).fill(0xff, 8, 12), 'bad-model'],
  'too few bytes': [() => npy(header(), { bytes: 7 }), 'bad-model'],
  'too many bytes': [() => npy(header(), { bytes: 9 }), 'bad-model'],
  'version 4': [() => npy(header(), { version: 4 }), 'unsupported-model'],
  objects: [() => npy(header({ descr: "'|O'" })), 'unsupported-model'],
  texts: [() => npy(header({ descr: "'<U2'" })), 'unsupported-model'],
  records: [() => npy(header({ descr: "[('a', '<f4')]" })), 'unsupported-model'],
  'big-endian numbers': [() => npy(header({ descr: "'>f4'" })), 'unsupported-model'],
  'Fortran order': [
    () => npy(header({ fortran: 'True', shape: '(2, 1, 2)' }), { bytes: 16 }),
    'unsupported-model',
  ],
  'code in its header': [() => npy(`${header()}import os`), 'unsupported-model'],
  'a shape with a gap': [() => npy(header({ shape: '(1, , 2)' })), 'bad-model'],
  'a shape of digits without end': [
    () => npy(header({ shape: `(${'1'.repeat(9_000)} 1` })),
    'unsupported-model',
  ],
  'more dimensions than 8': [() => npy(header({ shape: '(1, 1, 1, 1, 1, 1, 1, 1, 2)' })), 'bad-model'],
  'a shape that overflows': [() => npy(header({ shape: '(99999999999, 99999999999)' })), 'bad-model'],
};

test.each(Object.entries(REFUSED))('openNpyStore() refuses %s', async (_name, [make, code]) => {
  expect(await codeOf(() => openNpy(make()))).toBe(code);
});

describe('openNpzStore() refuses', () => {
  /** Bytes of the first entry of the directory, and of the end of the archive. */
  const placesIn = (bytes: Uint8Array) => {
    const view = new DataView(bytes.buffer);
    const end = bytes.length - 22;
    return { view, end, first: view.getUint32(end + 16, true) };
  };
  const changed = (change: (places: ReturnType<typeof placesIn>) => void) => (): Uint8Array => {
    const bytes = read('model.npz');
    change(placesIn(bytes));
    return bytes;
  };
  const CASES: Readonly<Record<string, [() => Uint8Array, string]>> = {
    'encrypted entries': [
      changed(({ view, first }) => view.setUint16(first + 8, 1, true)),
      'unsupported-model',
    ],
    'streamed entries': [
      changed(({ view, first }) => view.setUint16(first + 8, 8, true)),
      'unsupported-model',
    ],
    'an empty file': [() => new Uint8Array(0), 'bad-model'],
    'an archive without its end': [() => read('model.npz').slice(0, -1), 'bad-model'],
    'fewer entries than bytes': [changed(({ view, end }) => view.setUint16(end + 10, 6, true)), 'bad-model'],
    'more entries than bytes': [changed(({ view, end }) => view.setUint16(end + 10, 8, true)), 'bad-model'],
    'a directory beyond the end': [
      changed(({ view, end }) => view.setUint32(end + 16, 2 ** 31, true)),
      'bad-model',
    ],
    'a zip64 directory that is not there': [
      changed(({ view, end }) => view.setUint32(end + 16, 2 ** 32 - 1, true)),
      'bad-model',
    ],
    'an entry beyond the end': [
      changed(({ view, first }) => view.setUint32(first + 42, 2 ** 31, true)),
      'bad-model',
    ],
    'an entry of another place': [
      changed(({ view, first }) => view.setUint32(first + 42, 4, true)),
      'bad-model',
    ],
    'an entry longer than the archive': [
      changed(({ view, first }) => {
        view.setUint32(first + 20, 5000, true);
        view.setUint32(first + 24, 5000, true);
      }),
      'bad-model',
    ],
    'entries that overlap': [
      changed(({ view, first }) => {
        view.setUint32(first + 20, 400, true);
        view.setUint32(first + 24, 400, true);
      }),
      'bad-model',
    ],
    'two entries of one name': [
      () => writeZip([1, 2].map((byte) => ({ name: 'a.npy', bytes: Uint8Array.of(byte) }))),
      'bad-model',
    ],
    'an entry with two lengths': [
      changed(({ view, first }) => view.setUint32(first + 20, 5, true)),
      'bad-model',
    ],
  };

  test.each(Object.entries(CASES))('%s', async (_name, [make, code]) => {
    expect(await codeOf(() => openNpz(make()))).toBe(code);
  });

  test.each([
    [1, '"a.npy" and its directory overlap'],
    [2, '"a.npy" and "b.npy" overlap'],
  ])('entries that reach into what is behind them, of %d', async (count, words) => {
    const names = ['a.npy', 'b.npy'].slice(0, count);
    const bytes = writeZip(names.map((name) => ({ name, bytes: npyFloats(Float32Array.of(1)), method: 0 })));
    expect((await openNpz(bytes)).tensors.length).toBe(count);
    const { view, first } = placesIn(bytes);
    const length = view.getUint32(first + 20, true) + 4;
    for (const at of [20, 24]) view.setUint32(first + at, length, true);
    const { code, message } = await errorOf(() => openNpz(bytes));
    expect(code).toBe('bad-model');
    expect(message).toContain(words);
  });

  test('any change with a typed error, or reads tensors within the file', async () => {
    expect(await fuzz(openNpz, read('model.npz'))).toBeGreaterThan(500);
  });
});
