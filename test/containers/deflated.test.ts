import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { planApply } from '../../src/apply/plan.js';
import { openNpzStore } from '../../src/containers/npy.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { type ModelFiles, openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, concat, createRandom, errorOf, expectSameModel, seededFloats } from '../support.js';
import { fuzz } from './fuzz.js';
import { type EntryDraft, npyFloats, writeZip } from './write-npz.js';

const FILE = 'model.npz';
const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, 'files', name)));
const filesOf = (bytes: Uint8Array): ModelFiles => openMemoryFiles(new Map([[FILE, bytes]]));
const open = (bytes: Uint8Array) => openNpzStore(filesOf(bytes), FILE);

/** @returns the folder, and how many bytes of it were read */
function counted(files: ModelFiles): { files: ModelFiles; count: { bytes: number } } {
  const count = { bytes: 0 };
  const readInto: ModelFiles['readInto'] = (path, offset, target) => {
    count.bytes += target.length;
    return files.readInto(path, offset, target);
  };
  return { files: { ...files, readInto }, count };
}

/** Arrays of 40 kB that compress a little. */
const ARRAYS = Array.from({ length: 8 }, (_, i) =>
  seededFloats(i, 10_000).map((value) => Math.fround(value * 2) / 2),
);
const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer);
const archive = (): Uint8Array =>
  writeZip(
    ARRAYS.map((array, i) => ({ name: `a${i}.npy`, bytes: npyFloats(array), method: i === 2 ? 0 : 8 })),
  );

describe('openNpzStore() of compressed arrays', () => {
  test('reads what NumPy compressed as it reads what NumPy stored', async () => {
    const [compressed, plain] = [await open(read('compressed.npz')), await open(read('model.npz'))];
    expectSameModel(await copyModel(compressed), await copyModel(plain));
    expect(await fingerprint(compressed)).toEqual(await fingerprint(plain));
    expect([...(compressed.readOnly ?? [])]).toEqual(plain.tensors.map(({ name }) => name));
    await compressed.close();
  });

  test('writes none of them, and only the checksums of the others', async () => {
    const bytes = archive();
    const store = await open(bytes);
    expect([store.readOnly?.has('a1'), store.readOnly?.has('a2')]).toEqual([true, false]);
    expect(await codeOf(() => store.write('a1', 0, Uint8Array.of(1)))).toBe('unsupported-model');
    await store.flush();
    expect(Buffer.compare(bytes, archive())).toBe(0);
    await store.write('a2', 0, new Uint8Array(Float32Array.of(5).buffer));
    await store.flush();
    const changed = ARRAYS[2]!.slice();
    changed[0] = 5;
    const entries = ARRAYS.map((array, i) => {
      return { name: `a${i}.npy`, bytes: npyFloats(i === 2 ? changed : array), method: i === 2 ? 0 : 8 };
    });
    expect(Buffer.compare(bytes, writeZip(entries))).toBe(0);
  });

  test('reads any ranges in any order, also at once', async () => {
    const store = await open(archive());
    const random = createRandom(1);
    const reads = Array.from({ length: 200 }, async (_, i) => {
      const from = random() % 40_000;
      const target = new Uint8Array(random() % (40_001 - from));
      const which = random() % ARRAYS.length;
      const done = store.readInto(`a${which}`, from, target);
      if (i % 3 === 0) await done;
      return { from, target, which, done };
    });
    for (const { from, target, which, done } of await Promise.all(reads)) {
      await done;
      const expected = bytesOf(ARRAYS[which]!).subarray(from, from + target.length);
      expect(Buffer.compare(target, expected)).toBe(0);
    }
    await store.close();
  });

  test.each(['one after the other', 'in turns'])(
    'inflates each once when read in pieces, %s',
    async (order) => {
      const bytes = archive();
      const { files, count } = counted(filesOf(bytes));
      const store = await openNpzStore(files, FILE);
      count.bytes = 0;
      const read = (name: string, at: number) =>
        store.readInto(name, at, new Uint8Array(Math.min(999, 40_000 - at)));
      if (order === 'in turns')
        for (let at = 0; at < 40_000; at += 999)
          await Promise.all(store.tensors.map(({ name }) => read(name, at)));
      else
        for (const { name } of store.tensors) for (let at = 0; at < 40_000; at += 999) await read(name, at);
      expect(count.bytes).toBeLessThan(bytes.length);
    },
  );

  test('is a base for diffs that devices refuse', async () => {
    const store = await open(read('compressed.npz'));
    const next = await copyModel(await open(read('next.npz')));
    const { payload, changedWeights } = await diffModels(await copyModel(store), next);
    expect(changedWeights).toBe(1);
    const plan = await planApply(store, payload);
    expect([plan.status, plan.problem?.code]).toEqual(['refused', 'unsupported-model']);
  });
});

const bytes = npyFloats(ARRAYS[0]!);
const deflated = new Uint8Array(deflateRawSync(bytes));
const one = (draft: Partial<EntryDraft> = {}): Uint8Array => writeZip([{ name: 'a.npy', bytes, ...draft }]);

describe('openNpzStore() refuses', () => {
  const AT_ONCE: Readonly<Record<string, [() => Uint8Array, string]>> = {
    'other methods': [() => one({ method: 12 }), 'unsupported-model'],
    'encrypted entries': [() => one({ flags: 1 }), 'unsupported-model'],
    'more bytes than deflate can hold': [() => one({ length: 1_033 * deflated.length }), 'bad-model'],
    'a header that ends early': [
      () => one({ stored: new Uint8Array(deflateRawSync(bytes.slice(0, 20))) }),
      'bad-model',
    ],
    'what cannot be inflated': [() => one({ stored: new Uint8Array(500).fill(0xff) }), 'bad-model'],
    'a name twice': [
      () =>
        writeZip([
          { name: 'a.npy', bytes },
          { name: 'a.npy', bytes },
        ]),
      'bad-model',
    ],
    'an array of another length': [() => one({ length: bytes.length - 4 }), 'bad-model'],
  };
  test.each(Object.entries(AT_ONCE))('%s', async (_name, [make, code]) => {
    expect(await codeOf(() => open(make()))).toBe(code);
  });

  const flipped = deflated.slice();
  flipped[20_000]! ^= 1;
  const WHEN_READ: Readonly<Record<string, [Partial<EntryDraft>, RegExp]>> = {
    'a stream that is cut': [{ stored: deflated.slice(0, -9) }, /invalid compressed data/],
    'fewer bytes than declared': [
      { stored: new Uint8Array(deflateRawSync(bytes.slice(0, -8))) },
      /expected \d+ bytes, got \d+/,
    ],
    'more bytes than declared': [
      { stored: new Uint8Array(deflateRawSync(concat(bytes, [0]))) },
      /bytes, got more/,
    ],
    'another checksum': [{ crc: 1 }, /checksum does not match/],
    'a flipped bit': [{ stored: flipped }, /invalid compressed data|checksum does not match/],
  };
  test.each(Object.entries(WHEN_READ))(
    '%s, when the tensor is read, every time',
    async (_name, [draft, message]) => {
      const store = await open(one(draft));
      for (let i = 0; i < 2; i++) {
        const error = await errorOf(() => store.readInto('a', 0, new Uint8Array(40_000)));
        expect([error.code, error.message]).toEqual(['bad-model', expect.stringMatching(message)]);
      }
      await store.close();
    },
  );

  test('a bomb before it goes off', async () => {
    const bomb = concat(bytes, new Uint8Array(100_000_000));
    const stored = new Uint8Array(deflateRawSync(bomb));
    const { files, count } = counted(filesOf(one({ stored })));
    const store = await openNpzStore(files, FILE);
    const error = await errorOf(() => store.readInto('a', 0, new Uint8Array(40_000)));
    expect([error.code, error.message]).toEqual(['bad-model', expect.stringContaining('bytes, got more')]);
    expect(count.bytes).toBeLessThan(2 * deflated.length + stored.length / 2);
  });
});

test('openNpzStore() reads compressed entries that were written as a stream', async () => {
  const { tensors } = await copyModel(await open(one({ flags: 8 })));
  expect(Buffer.compare(tensors[0]!.bytes, bytesOf(ARRAYS[0]!))).toBe(0);
});

test('openNpzStore() reads compressed entries longer than their archive, whose length is in a zip64 field', async () => {
  const zeros = npyFloats(new Float32Array(100_000));
  const file = one({ bytes: zeros, isLong: true });
  expect(file.length).toBeLessThan(2_000);
  const { tensors } = await copyModel(await open(file));
  expect(Buffer.compare(tensors[0]!.bytes, new Uint8Array(400_000))).toBe(0);
  const length = 1_033 * file.length;
  expect(await codeOf(() => open(one({ bytes: zeros, isLong: true, length })))).toBe('bad-model');
});

test('openNpzStore() passes on what its folder throws in the middle, and reads on after that', async () => {
  const files = filesOf(one());
  let isBroken = false;
  const readInto: ModelFiles['readInto'] = async (path, offset, target) => {
    if (isBroken) throw new NeuralDiffError('file-unreadable', 'Cannot read');
    await files.readInto(path, offset, target);
  };
  const store = await openNpzStore({ ...files, readInto }, FILE);
  const target = new Uint8Array(40_000);
  await store.readInto('a', 0, target.subarray(0, 100));
  isBroken = true;
  expect(await codeOf(() => store.readInto('a', 100, target.subarray(100)))).toBe('file-unreadable');
  isBroken = false;
  await store.readInto('a', 100, target.subarray(100));
  expect(Buffer.compare(target, bytesOf(ARRAYS[0]!))).toBe(0);
});

test('openNpzStore() meets any change of a compressed archive with a typed error, or reads what was compressed', async () => {
  expect(await fuzz(open, read('compressed.npz'))).toBeGreaterThan(500);
});
