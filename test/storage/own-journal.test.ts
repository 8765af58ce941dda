import { describe, expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { openInPlace } from '../../src/storage/in-place.js';
import { createJournal } from '../../src/storage/journal.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { externalData, field, onnxModel, tensorProto } from '../containers/write-onnx.js';
import { createFaultyDisk, type FaultyDisk } from '../rig/faulty-disk.js';
import { errorOf, seededBytes, seededTensor } from '../support.js';
import { applyTo, createUpdate, MAIN, STORAGES, type StorageKind, type Update } from './storages.js';

const { create, open } = STORAGES[0] as StorageKind;
const JOURNAL = 'update/journal';
const HOOK = '.git/hooks/pre-commit';

/** @returns a disk with a model, another file, and a journal that somebody planted */
async function plant(
  update: Update,
  entries: readonly { path: string; offset: number; bytes: Uint8Array }[],
): Promise<FaultyDisk> {
  const disk = await create(update.file);
  await disk.write(HOOK, 0, seededBytes(3, 5_000));
  const journal = await createJournal(disk, JOURNAL, update);
  for (const entry of entries) await journal.append({ kind: 'saved', ...entry });
  return disk;
}

const page = new Uint8Array(4_096).fill(0x21);

describe('a journal that does not fit the model', () => {
  test.each([
    ['another file of the folder', [{ path: HOOK, offset: 0, bytes: page }]],
    ['a new file', [{ path: 'new', offset: 0, bytes: page }]],
    ['bytes far behind the end', [{ path: MAIN, offset: 2 ** 43, bytes: page }]],
    ['bytes across the end', [{ path: MAIN, offset: 16_384, bytes: page }]],
    ['no whole page', [{ path: MAIN, offset: 8, bytes: page }]],
    ['a page twice', [0, 0].map((offset) => ({ path: MAIN, offset, bytes: page }))],
    ['a path out of the folder', [{ path: '../up', offset: 0, bytes: page }]],
  ])('is moved aside and nothing else is written: %s', async (_, entries) => {
    const update = await createUpdate();
    for (const isTrial of [false, true]) {
      const disk = await plant(update, entries);
      const journal = disk.content(JOURNAL);
      if (isTrial) await markCommitted(disk, journal.length);
      const planted = disk.content(JOURNAL);
      const act = isTrial ? open(disk).rollback() : open(disk).recover();
      const { code, message } = await errorOf(() => act);
      expect([code, message]).toEqual(['storage-mismatch', expect.stringContaining('try again')]);
      expect(disk.content(MAIN)).toEqual(update.file);
      expect(disk.content(HOOK)).toEqual(seededBytes(3, 5_000));
      expect(await disk.list('')).toEqual([HOOK, MAIN, `${JOURNAL}.refused`]);
      expect(disk.content(`${JOURNAL}.refused`)).toEqual(planted);
      expect(await open(disk).recover()).toBe('settled');
      await applyTo(open(disk), update);
    }
  });

  test('is kept where it is when its pages do not lead to its base, and nothing is written', async () => {
    const update = await createUpdate();
    const disk = await plant(update, [{ path: MAIN, offset: 4_096, bytes: page }]);
    await disk.write(MAIN, update.file.length - 1, Uint8Array.of(77));
    const before = disk.content(MAIN);
    for (let i = 0; i < 2; i++) {
      const { code, message } = await errorOf(() => open(disk).recover());
      expect([code, message]).toEqual(['storage-mismatch', expect.stringContaining(`remove "${JOURNAL}"`)]);
    }
    expect(disk.content(MAIN)).toEqual(before);
  });

  test('is removed when the model is the base already', async () => {
    const update = await createUpdate();
    const disk = await plant(update, [{ path: MAIN, offset: 4_096, bytes: page }]);
    expect(await open(disk).recover()).toBe('undone');
    expect(disk.content(MAIN)).toEqual(update.file);
  });

  test('is moved aside when it is damaged and the model is the updated one, which then stays', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    await applyTo(open(disk), update);
    const journal = disk.content(JOURNAL);
    await disk.write(JOURNAL, 5_000, Uint8Array.of((journal[5_000] as number) ^ 1));
    expect((await errorOf(() => open(disk).recover())).code).toBe('storage-mismatch');
    expect(await open(disk).recover()).toBe('settled');
    expect(await fingerprintOf(open(disk))).toBe(update.next);
  });
});

/** Appends the mark of a finished update, as the journal's own checksum demands. */
async function markCommitted(disk: FaultyDisk, length: number): Promise<void> {
  const { openJournal } = await import('../../src/storage/journal.js');
  const found = await openJournal(disk, JOURNAL);
  if (found === undefined || found === 'torn') throw new Error('expected a journal');
  await found.writer.mark('committed');
  expect(disk.content(JOURNAL).length).toBeGreaterThan(length);
}

describe('a file in the place of a journal', () => {
  test.each([
    ['text', new TextEncoder().encode('#!/bin/sh')],
    ['a long file', seededBytes(1, 500)],
  ])('is left alone if it is none: %s', async (_, content) => {
    const update = await createUpdate();
    const disk = await create(update.file);
    await disk.write(JOURNAL, 0, content);
    for (const act of [
      () => open(disk).recover(),
      () => open(disk).rollback(),
      () => applyTo(open(disk), update),
    ])
      expect((await errorOf(act)).code).toBe('storage-mismatch');
    expect(disk.content(JOURNAL)).toEqual(content);
    expect(disk.content(MAIN)).toEqual(update.file);
  });

  test.each([
    ['nothing', new Uint8Array(0)],
    ['a part of the header', new TextEncoder().encode('neural-diff undo and')],
    ['zeros', new Uint8Array(56)],
  ])('is removed if a power loss left it: %s', async (_, content) => {
    const update = await createUpdate();
    const disk = await create(update.file);
    await disk.write(JOURNAL, 0, content);
    expect(await open(disk).recover()).toBe('settled');
    expect(await disk.list('')).toEqual([MAIN]);
  });

  test('is left alone if the model consists of it', async () => {
    const kernel = seededTensor('kernel', 'float32', [12]);
    const model = onnxModel(field(5, tensorProto(kernel, externalData('m.onnx.undo'))));
    const disk = createFaultyDisk(
      new Map([
        ['m.onnx', model],
        ['m.onnx.undo', kernel.bytes],
      ]),
    );
    const storage = openInPlace({
      disk,
      folder: '',
      journal: 'm.onnx.undo',
      openModel: (files) => openContainer(files, 'm.onnx'),
    });
    for (const act of [() => storage.recover(), () => storage.rollback()])
      expect((await errorOf(act)).code).toBe('unsafe-path');
    expect(disk.content('m.onnx.undo')).toEqual(kernel.bytes);
  });
});
