import { describe, expect, test } from 'vitest';
import { openHdf5Store } from '../../src/containers/hdf5/hdf5.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { concat, errorOf, seededTensor } from '../support.js';
import { type Oldest, writeHdf5 } from './write-hdf5.js';

const open = (bytes: Uint8Array) => openHdf5Store(openMemoryFiles(new Map([['a', bytes]])), 'a');

/** One dataset of 16 bytes, or so many that links lie in a heap with a tree. */
const one = (oldest: Oldest) => writeHdf5({ tensors: [seededTensor('kern', 'float32', [2, 2])] }, oldest);
const many = () =>
  writeHdf5(
    { tensors: Array.from({ length: 200 }, (_, i) => seededTensor(`kern${i}`, 'float32', [4])) },
    'v108',
  );

/** The bodies of layouts begin so: version, a run of bytes. Behind them stand an address, and 16 bytes. */
const LAYOUTS = [3, 4].map((version) => [version, 1]);

const u64 = (value: number): number[] => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
const placeOf = (bytes: Uint8Array, letters: string): number => Buffer.from(bytes).indexOf(letters, 1);

/** @returns where the address of the first dataset stands */
function addressOf(bytes: Uint8Array): number {
  const places = LAYOUTS.map((head) => {
    return bytes.findIndex(
      (_, at) =>
        head.every((byte, i) => bytes[at + i] === byte) &&
        u64(16).every((byte, i) => bytes[at + 10 + i] === byte),
    );
  });
  const found = Math.max(...places);
  expect(found).toBeGreaterThan(-1);
  return found + 2;
}

/** @returns the file with its first dataset at another place */
function moved(bytes: Uint8Array, to: number): Uint8Array {
  bytes.set(u64(to), addressOf(bytes));
  return bytes;
}

describe('openHdf5Store() refuses a dataset in the structure of the file', () => {
  const SPOTS: readonly [string, () => Uint8Array, string | number, number][] = [
    ['the superblock', () => one('earliest'), 0, 90],
    ['the superblock of version 2', () => one('v108'), 0, 47],
    ['the header of the root', () => one('earliest'), 96, -15],
    ['its own header', () => one('earliest'), 'self', 0],
    ['its own header, of version 2', () => one('v108'), 'self', 0],
    ['the checksum of a header', () => one('v108'), 'self', 18],
    ['a tree of symbols', () => one('earliest'), 'TREE', 24],
    ['the last name of a tree', () => one('earliest'), 'TREE', 24 + 16 + 7],
    ['symbols', () => one('earliest'), 'SNOD', 8],
    ['a heap of names', () => one('earliest'), 'HEAP', -8],
    ['names', () => one('earliest'), 'kern', 4],
    ['a heap of links', many, 'FRHP', 145],
    ['a table of blocks', many, 'FHIB', 20],
    ['a block of links', many, 'FHDB', 3],
    ['the rest of a block', many, 'FHDB', 500],
    ['a tree of links', many, 'BTHD', 37],
    ['a node of links', many, 'BTLF', 300],
  ];
  test.each(SPOTS)('%s', async (_name, make, near, by) => {
    const bytes = make();
    await open(bytes);
    const at = near === 'self' ? addressOf(bytes) : typeof near === 'string' ? placeOf(bytes, near) : near;
    const { code, message } = await errorOf(() => open(moved(bytes, at + by)));
    expect(code).toBe('bad-model');
    expect(message).toMatch(/tensor "kern0?" overlaps the file's own structure/);
  });

  test('that lies in its header, where names are kept in it', async () => {
    const bytes = one('earliest');
    const layout = addressOf(bytes) - 2;
    const names = [...u64(0), ...new TextEncoder().encode('kern'), 0, 0, 0, 0];
    bytes.set([3, 0, 16, 0, ...names], layout);
    expect((await open(bytes.slice())).tensors).toMatchObject([{ name: 'kern' }]);
    const heap = placeOf(bytes, 'HEAP');
    bytes.set(u64(16), heap + 8);
    bytes.set(u64(layout + 4), heap + 24);
    const { code, message } = await errorOf(() => open(bytes));
    expect(code).toBe('bad-model');
    expect(message).toContain("overlaps the file's own structure");
  });
});

test('openHdf5Store() takes a dataset that ends where structure begins', async () => {
  const bytes = one('earliest');
  const free = bytes.length;
  const larger = concat(bytes, new Array(16).fill(0));
  expect((await open(moved(larger, free))).tensors.length).toBe(1);
});

describe('openHdf5Store() reads what the superblock says', () => {
  /** @returns a file whose superblock goes on in an object header with one message */
  function extended(kind: number): Uint8Array {
    const bytes = one('v200');
    const end = bytes.length;
    bytes.set(u64(end), 20);
    return concat(
      bytes,
      new TextEncoder().encode('OHDR'),
      [2, 0, 8, kind, 4, 0, 0, 0, 0, 0, 0],
      new Array(4).fill(0),
    );
  }

  test.each([1, 4, 5])('refuses a file that was not closed: flags %d', async (flags) => {
    const bytes = one('v200');
    expect(bytes[8]).toBe(3);
    bytes[11] = flags;
    const { code, message } = await errorOf(() => open(bytes));
    expect(code).toBe('bad-model');
    expect(message).toContain('was not closed');
  });

  test('passes over flags that mean nothing', async () => {
    const bytes = one('v200');
    bytes[11] = 2;
    expect((await open(bytes)).tensors.length).toBe(1);
    const old = one('v108');
    expect(old[8]).toBe(2);
    old[11] = 1;
    expect((await open(old)).tensors.length).toBe(1);
  });

  test.each([
    [0x14, 'multi-file driver'],
    [0x18, 'metadata cache image'],
  ])('refuses an extension that moves structure elsewhere: message %d', async (kind, words) => {
    const { code, message } = await errorOf(() => open(extended(kind)));
    expect(code).toBe('unsupported-model');
    expect(message).toContain(words);
  });

  test('takes an extension with anything else, and keeps datasets off it', async () => {
    const bytes = extended(0x17);
    const at = one('v200').length;
    expect((await open(bytes)).tensors.length).toBe(1);
    const { message } = await errorOf(() => open(moved(bytes, at)));
    expect(message).toContain("overlaps the file's own structure");
  });

  test('refuses the description of a driver in an older superblock', async () => {
    const bytes = one('earliest');
    bytes.set(u64(96), 48);
    const { code, message } = await errorOf(() => open(bytes));
    expect(code).toBe('unsupported-model');
    expect(message).toContain('multi-file driver');
  });
});
