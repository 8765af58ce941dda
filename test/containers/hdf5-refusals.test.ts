import { describe, expect, test } from 'vitest';
import { openHdf5Store } from '../../src/containers/hdf5/hdf5.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { codeOf, errorOf, seededBytes, seededTensor } from '../support.js';
import { buildHdf5, type Oldest, writeHdf5 } from './write-hdf5.js';

const open = (bytes: Uint8Array) => openHdf5Store(openMemoryFiles(new Map([['a', bytes]])), 'a');
const data = Float32Array.of(1, 2, 3, 4);

/** One dataset, `kern`, of four floats; or as many as fill a heap. */
const one = (oldest: Oldest = 'earliest') =>
  writeHdf5({ tensors: [seededTensor('kern', 'float32', [2, 2])] }, oldest);
const many = () =>
  writeHdf5(
    { tensors: Array.from({ length: 200 }, (_, i) => seededTensor(`kern${i}`, 'int8', [1])) },
    'v108',
  );

/** @returns where some bytes first lie, written as letters or as numbers */
function find(bytes: Uint8Array, what: string | readonly number[]): number {
  const wanted = typeof what === 'string' ? [...new TextEncoder().encode(what)] : what;
  const found = bytes.findIndex((_, at) => wanted.every((byte, i) => bytes[at + i] === byte));
  expect(found).toBeGreaterThan(-1);
  return found;
}

/** @returns a file with bytes changed from an offset behind others on */
function changed(
  bytes: Uint8Array,
  behind: string | readonly number[] | undefined,
  change: [number, number[]],
) {
  const [offset, values] = change;
  bytes.set(values, (behind === undefined ? 0 : find(bytes, behind)) + offset);
  return bytes;
}

/** A change of the file with one dataset. */
const forge = (behind: string | readonly number[] | undefined, offset: number, values: number[]) => () =>
  changed(one(), behind, [offset, values]);
/** A change of the file whose names lie in a heap. */
const forgeMany = (behind: string, offset: number, values: number[]) => () =>
  changed(many(), behind, [offset, values]);

const NOWHERE = Array(8).fill(0xff);
const FAR = [0, 0, 0, 0, 1, 0, 0, 0];

/** How messages of the dataset begin: a dataspace of two dimensions, its type, its layout. */
const SPACE = [1, 2, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
const TYPE = [0x11, 0x20, 31, 0, 4, 0, 0, 0];
const LAYOUT = [8, 0, 24, 0];
/** The root's message that names its tree and its heap, 8 bytes in front of them. */
const ROOT = 96;

const CASES: Readonly<Record<string, [() => Uint8Array, 'bad-model' | 'unsupported-model']>> = {
  'an empty file': [() => new Uint8Array(0), 'bad-model'],
  'another file': [() => seededBytes(1, 200), 'bad-model'],
  'half a head': [() => one().slice(0, 40), 'bad-model'],
  'most of a head': [() => one('v108').slice(0, 47), 'bad-model'],
  'a file cut off': [() => one().slice(0, -1), 'bad-model'],
  'a superblock of version 4': [forge(undefined, 8, [4]), 'unsupported-model'],
  'addresses of 4 bytes': [forge(undefined, 13, [4]), 'unsupported-model'],
  'lengths of 4 bytes': [forge(undefined, 14, [4]), 'unsupported-model'],
  'a base address': [forge(undefined, 24, [8]), 'unsupported-model'],
  'a root beyond the end': [forge(undefined, 64, FAR), 'bad-model'],
  'a root that is nowhere': [forge(undefined, 64, NOWHERE), 'bad-model'],
  'an address of 2^64 - 2': [forge(undefined, 64, [0xfe, ...Array(7).fill(0xff)]), 'bad-model'],
  'an object header of version 3': [forge(undefined, ROOT, [3]), 'bad-model'],
  'an object header of version 3 behind its letters': [
    () => changed(one('v108'), 'OHDR', [4, [3]]),
    'unsupported-model',
  ],
  'a message longer than its header': [forge(undefined, ROOT + 18, [255]), 'bad-model'],
  'a message too short': [forge(undefined, ROOT + 18, [8]), 'bad-model'],
  'a header that goes on in itself': [
    forge(undefined, ROOT + 16, [
      0x10,
      0,
      16,
      0,
      0,
      0,
      0,
      0,
      ROOT + 16,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      24,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    ]),
    'bad-model',
  ],
  'a tree without its letters': [forge('TREE', 0, [0]), 'bad-model'],
  'a tree of chunks': [forge('TREE', 4, [1]), 'bad-model'],
  'a tree that is its own branch': [
    () => {
      const bytes = one();
      const tree = find(bytes, 'TREE');
      return changed(changed(bytes, 'TREE', [5, [1]]), 'TREE', [32, [tree & 255, tree >> 8, 0]]);
    },
    'bad-model',
  ],
  'symbols without their letters': [forge('SNOD', 0, [0]), 'bad-model'],
  'more symbols than there are bytes': [forge('SNOD', 6, [255, 255]), 'bad-model'],
  'a heap without its letters': [forge('HEAP', 0, [0]), 'bad-model'],
  'a name outside of its heap': [forge('SNOD', 8, [0, 1]), 'bad-model'],
  'a name without an end': [forge('HEAP', 8, [10, 0]), 'bad-model'],
  'an empty name': [forge('kern', 0, [0]), 'bad-model'],
  'a name with a slash': [forge('kern', 1, [0x2f]), 'bad-model'],
  'a name that is not UTF-8': [forge('kern', 0, [0xff]), 'bad-model'],
  'a dataset beyond the end': [forge(LAYOUT, 10, FAR), 'bad-model'],
  'a dataset without bytes': [forge(LAYOUT, 10, NOWHERE), 'unsupported-model'],
  'a dataset of other bytes than its shape takes': [forge(LAYOUT, 18, [8]), 'bad-model'],
  'a dataset in its header of other bytes than its shape takes': [forge(LAYOUT, 9, [0, 8, 0]), 'bad-model'],
  'a layout of version 2': [forge(LAYOUT, 8, [2]), 'unsupported-model'],
  'a layout of version 6': [forge(LAYOUT, 8, [6]), 'unsupported-model'],
  'a view of other datasets': [forge(LAYOUT, 9, [3]), 'unsupported-model'],
  'a dataset without a shape': [forge(SPACE, -8, [0]), 'bad-model'],
  'a dataset without a type': [forge(TYPE, -8, [0]), 'bad-model'],
  'nine dimensions': [forge(SPACE, 1, [9]), 'bad-model'],
  'a shape that overflows': [forge(SPACE, 8, [0, 0, 0, 0, 1]), 'bad-model'],
  'a dataspace of version 3': [forge(SPACE, 0, [3]), 'unsupported-model'],
  'a named type': [forge(TYPE, -4, [2]), 'unsupported-model'],
  'big-endian numbers': [forge(TYPE, 1, [0x21]), 'unsupported-model'],
  'floats of a kind of their own': [forge(TYPE, 13, [9]), 'unsupported-model'],
  'integers with gaps': [forge(TYPE, 0, [0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 31, 0]), 'unsupported-model'],
  'opaque elements of no bytes': [forge(TYPE, 0, [0x15, 0, 0, 0, 0]), 'unsupported-model'],
  'types of a class to come': [forge(TYPE, 0, [0x1f]), 'unsupported-model'],
  'a heap of links without its letters': [forgeMany('FRHP', 0, [0]), 'bad-model'],
  'compressed links': [forgeMany('FRHP', 7, [1]), 'unsupported-model'],
  'blocks of no size': [forgeMany('FRHP', 112, [0, 0]), 'bad-model'],
  'offsets of 64 bits': [forgeMany('FRHP', 128, [64]), 'bad-model'],
  'a heap of one row': [forgeMany('FRHP', 140, [1]), 'bad-model'],
  'a table without its letters': [forgeMany('FHIB', 0, [0]), 'bad-model'],
  'a block without its letters': [forgeMany('FHDB', 0, [0]), 'bad-model'],
  'a tree of something else': [forgeMany('BTHD', 5, [6]), 'bad-model'],
  'records too short': [forgeMany('BTHD', 10, [10]), 'bad-model'],
  'nodes of 4 GiB': [forgeMany('BTHD', 6, [255, 255, 255, 255]), 'bad-model'],
  'a tree of 65,535 levels': [forgeMany('BTHD', 12, [255, 255]), 'bad-model'],
  'more names than a node holds': [forgeMany('BTHD', 24, [255, 255]), 'bad-model'],
  'a leaf without its letters': [forgeMany('BTLF', 0, [0]), 'bad-model'],
  'a link outside of its heap': [forgeMany('BTLF', 10, [0x10]), 'unsupported-model'],
  'a link of another version': [() => changed(one('v108'), 'kern', [-3, [2]]), 'unsupported-model'],
  'a link with a name longer than itself': [() => changed(one('v108'), 'kern', [-1, [5]]), 'bad-model'],
};

test.each(Object.entries(CASES))('openHdf5Store() refuses %s', async (_name, [make, code]) => {
  expect(await codeOf(() => open(make()))).toBe(code);
});

describe('openHdf5Store() refuses, as the HDF5 library writes them,', () => {
  const WRITTEN: Readonly<Record<string, Parameters<typeof buildHdf5>[0]>> = {
    'datasets in chunks': (file) => file.create_dataset({ name: 'a', data, chunks: [2] }),
    'compressed datasets': (file) =>
      file.create_dataset({ name: 'a', data, chunks: [2], compression: 'gzip' }),
    'datasets that can grow': (file) =>
      file.create_dataset({ name: 'a', data, shape: [4], maxshape: [null], chunks: [4] }),
    texts: (file) => file.create_dataset({ name: 'a', data: ['one', 'two'] }),
    'texts of one length': (file) => file.create_dataset({ name: 'a', data: ['one', 'two'], dtype: 'S3' }),
    records: (file) =>
      file.create_dataset({ name: 'a', data: new Map([['x', [1]]]), dtype: [['x', '<f']], shape: [1] }),
    references: (file) => {
      file.create_dataset({ name: 'a', data });
      file.create_dataset({ name: 'b', data: [file.create_reference()] });
    },
    'links to other files': (file) => file.create_external_link('other.h5', '/a', 'b'),
  };
  const both = Object.entries(WRITTEN).flatMap(([name, fill]) =>
    (['earliest', 'v108', 'v200'] as const).map((oldest) => [name, oldest, fill] as const),
  );
  test.each(both)('%s: %s', async (_name, oldest, fill) => {
    expect(await codeOf(() => open(buildHdf5(fill, oldest)))).toBe('unsupported-model');
  });
});

test('openHdf5Store() refuses datasets that share bytes', async () => {
  const tensors = ['a', 'b'].map((name) => seededTensor(name, 'float32', [4]));
  const bytes = writeHdf5({ tensors });
  const first = find(bytes, LAYOUT) + 10;
  const second = first + 1 + find(bytes.subarray(first + 1), LAYOUT) + 9;
  bytes.set(bytes.slice(first, first + 8), second + 1);
  expect(await codeOf(() => open(bytes))).toBe('bad-model');
});

/** A tree whose 60,000 branches are one node of 60,000 symbols. */
function denseTree(): Uint8Array {
  const bytes = one();
  const [tree, symbols] = [bytes.length, bytes.length + 2 ** 20];
  const larger = new Uint8Array(2 ** 22);
  larger.set(bytes);
  const view = new DataView(larger.buffer);
  larger.copyWithin(tree, find(bytes, 'TREE'), find(bytes, 'TREE') + 24);
  larger.copyWithin(symbols, find(bytes, 'SNOD'), find(bytes, 'SNOD') + 8);
  for (const node of [tree, symbols]) view.setUint16(node + 6, 60_000, true);
  for (let i = 0; i < 60_000; i++) {
    view.setUint32(tree + 24 + 16 * i + 8, symbols, true);
    larger.copyWithin(symbols + 8 + 40 * i, find(bytes, 'SNOD') + 8, find(bytes, 'SNOD') + 48);
  }
  return changed(larger, undefined, [ROOT + 24, [tree & 255, (tree >> 8) & 255, tree >> 16]]);
}

test('openHdf5Store() gives up on a group of more links than models have', async () => {
  expect((await errorOf(() => open(denseTree()))).message).toMatch(/at most \d+ links/);
});

test('openHdf5Store() gives up on a file whose structure is cyclic, after few reads', async () => {
  const bytes = CASES['a header that goes on in itself']?.[0]() as Uint8Array;
  const files = openMemoryFiles(new Map([['a', bytes]]));
  let reads = 0;
  const counted: typeof files = {
    ...files,
    readInto(path, offset, target) {
      reads++;
      return files.readInto(path, offset, target);
    },
  };
  expect((await errorOf(() => openHdf5Store(counted, 'a'))).message).toContain('too many pieces');
  expect(reads).toBeLessThan(10);
});
