import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { lockFile } from '../../src/node/lock-file.js';
import { thisProcess } from '../../src/node/lock-holder.js';
import { xxh64 } from '../../src/payload/checksum.js';
import { createJournal } from '../../src/storage/journal.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import type { FaultyDisk } from '../rig/faulty-disk.js';
import { applyTo, createUpdate, MAIN, STORAGES, type StorageKind, type Update } from '../storage/storages.js';
import { concat, createRandom, seededBytes } from '../support.js';
import { Fleet } from '../updater/fleet.js';
import { mutate } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

const [IN_PLACE, SLOTS] = STORAGES as [StorageKind, StorageKind];
const JOURNAL = 'update/journal';

/** A file next to the model that nothing may touch. */
const OTHER = { path: '.git/hooks/pre-commit', bytes: seededBytes(3, 9_000) };

/** @returns the same case with other random numbers again and again */
function* repeat(runs: number, run: (random: () => number) => Promise<unknown>): Generator<HostileCase> {
  const random = createRandom(31);
  for (let i = 0; i < runs; i++) yield { name: `mutation ${i}`, run: () => run(random) };
}

/** @returns a disk with a model, another file, and the journal of an update at some stage */
async function diskWithJournal(update: Update, stage: 'half' | 'trial' | 'undoing'): Promise<FaultyDisk> {
  const disk = await IN_PLACE.create(update.file);
  await disk.write(OTHER.path, 0, OTHER.bytes);
  if (stage === 'trial') {
    await applyTo(IN_PLACE.open(disk), update);
    return disk.clone();
  }
  if (stage === 'half') {
    const whole = disk.clone();
    await applyTo(IN_PLACE.open(whole), update);
    const cut = disk.clone({ cutAt: lastWrite(whole) });
    await applyTo(IN_PLACE.open(cut), update).catch(() => undefined);
    return cut.afterCut('all');
  }
  await applyTo(IN_PLACE.open(disk), update);
  const whole = disk.clone();
  await IN_PLACE.open(whole).rollback();
  const cut = disk.clone({ cutAt: lastWrite(whole) });
  await IN_PLACE.open(cut)
    .rollback()
    .catch(() => undefined);
  return cut.afterCut('all');
}

/** @returns the last operation that writes the model */
function lastWrite({ log }: FaultyDisk): number {
  return log.reduce((last, line, i) => (line.startsWith(`write ${MAIN}`) ? i : last), 0);
}

/** Recovers and rolls back a disk whose journal was changed, and checks what is left. */
async function recoverFrom(disk: FaultyDisk, update: Update): Promise<void> {
  const before = disk.content(MAIN);
  const next = await nextFile(update);
  let problem: unknown;
  for (const act of ['recover', 'rollback', 'confirm'] as const) {
    await IN_PLACE.open(disk)
      [act]()
      .catch((error) => {
        if (!(error instanceof NeuralDiffError)) throw error;
        problem ??= error;
      });
    const found = disk.content(MAIN);
    if (![before, update.file, next].some((file) => Buffer.compare(file, found) === 0))
      throw new Error(`the model is neither base nor next after ${act}`);
    if (!problem && Buffer.compare(found, before) !== 0 && Buffer.compare(found, update.file) !== 0)
      throw new Error('the model was changed to another than its base');
  }
  for (const path of await disk.list(''))
    if (path !== MAIN && path !== OTHER.path && !path.startsWith(JOURNAL)) throw new Error(`wrote "${path}"`);
  if (Buffer.compare(disk.content(OTHER.path), OTHER.bytes) !== 0) throw new Error('wrote another file');
  if (problem) throw problem;
}

const nextFiles = new Map<Update, Promise<Uint8Array>>();

/** @returns the model's file after the update */
function nextFile(update: Update): Promise<Uint8Array> {
  const known = nextFiles.get(update);
  if (known) return known;
  const made = diskWithJournal(update, 'trial').then((disk) => disk.content(MAIN));
  nextFiles.set(update, made);
  return made;
}

describe.each(['half', 'trial', 'undoing'] as const)('journals of an update that is %s', (stage) => {
  test('1000 mutations leave base, next or what was there, and touch no other file', async () => {
    const update = await createUpdate();
    const disk = await diskWithJournal(update, stage);
    const journal = disk.content(JOURNAL);
    const found = await tryCases(
      `journals, ${stage}`,
      repeat(1_000, async (random) => {
        const changed = disk.clone();
        await changed.remove(JOURNAL);
        await changed.write(JOURNAL, 0, mutate(journal, random));
        await recoverFrom(changed, update);
      }),
    );
    expect(Object.keys(found.refused)).toEqual(['storage-mismatch']);
  });
});

test('2000 planted journals with good checksums leave base or next, and touch no other file', async () => {
  const update = await createUpdate();
  const start = await diskWithJournal(update, 'trial');
  const paths = [MAIN, OTHER.path, '.git/hooks/new', '../up', '/top', JOURNAL, `${MAIN}.undo`, '', 'a\0b'];
  const found = await tryCases(
    'journals, planted',
    repeat(2_000, async (random) => {
      const pick = <T>(from: readonly T[]): T => from[random() % from.length] as T;
      const disk = start.clone();
      await disk.remove(JOURNAL);
      const writer = await createJournal(disk, JOURNAL, {
        base: pick([update.base, update.next, '00'.repeat(16)]),
        next: update.next,
      });
      for (let i = random() % 4; i >= 0; i--) {
        const offset = pick([0, 4_096, 8_192, 12_288, 16_384, random() % 20_000, 2 ** 43, 2 ** 60]);
        const length = pick([0, 1, 100, 4_096, 8_192, 2 ** 18]);
        const own = update.file.subarray(offset, offset + length);
        const bytes = own.length === length && random() % 2 === 0 ? own : seededBytes(i, length);
        await writer.append({ kind: 'saved', path: pick(paths), offset, bytes });
        if (random() % 4 === 0) await writer.mark(pick(['committed', 'undoing']));
      }
      await recoverFrom(disk, update);
    }),
  );
  expect(found.refused['storage-mismatch']).toBeGreaterThan(1_000);
});

test('1500 mutations of lock files: held, or refused as locked; other files stay', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'neural-diff-locks-'));
  const path = join(folder, 'model.lock');
  const holder = new TextEncoder().encode(JSON.stringify({ ...(await thisProcess()), boot: 'earlier' }));
  writeFileSync(join(folder, 'model'), 'model');
  const found = await tryCases(
    'locks',
    repeat(1_500, async (random) => {
      const content = random() % 4 === 0 ? seededBytes(random(), random() % 90) : mutate(holder, random);
      writeFileSync(path, content);
      utimesSync(path, 1, 1);
      try {
        await lockFile(path, async () => undefined, { beatMs: 1, staleMs: 1 });
      } catch (error) {
        expect(readFileSync(path).equals(content)).toBe(true);
        throw error;
      } finally {
        rmSync(path, { force: true });
      }
    }),
  );
  expect(readdirSync(folder)).toEqual(['model']);
  rmSync(folder, { recursive: true });
  expect(Object.keys(found.refused)).toEqual(['locked']);
  expect(found.accepted).toBeGreaterThan(0);
});

/** @returns the bytes of a small file with its checksum, or without a good one */
async function changedRecord(record: Uint8Array, random: () => number): Promise<Uint8Array> {
  if (random() % 4 === 0) return mutate(record, random);
  const content = mutate(record.subarray(0, -8), random);
  return concat(content, await xxh64(content));
}

describe.each([IN_PLACE, SLOTS])('the state of an updater whose model is kept $name', (kind) => {
  test.each(['settled', 'trial'])('600 mutations never stop it: %s', async (stage) => {
    const fleet = await Fleet.start(2);
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    await device.updater().update();
    if (stage === 'settled') await device.updater().confirm();
    const [base, next] = [fleet.version(0).name, fleet.version(1).name];
    const state = device.disk.content('updates/state');
    const found = await tryCases(
      `updater states, ${kind.name}, ${stage}`,
      repeat(600, async (random) => {
        const disk = device.disk.clone();
        await disk.remove('updates/state');
        await disk.write('updates/state', 0, await changedRecord(state, random));
        const updater = device.updater({ disk });
        const { status, fingerprint } = await updater.start();
        const names = stage === 'settled' ? [next] : [base, next];
        if (!names.includes(fingerprint)) throw new Error('the model is neither base nor next');
        if (status === 'trial') await updater.confirm();
        if ((await updater.status()).status !== 'settled') throw new Error('a trial without an end');
      }),
    );
    expect(found.refused).toEqual({});
  });
});

/** Rolls back and reads the model that a pointer names. */
async function readPointed(disk: FaultyDisk, update: Update): Promise<void> {
  const storage = SLOTS.open(disk);
  await storage.recover();
  await storage.rollback();
  expect([update.base, update.next]).toContain(await fingerprintOf(storage));
}

test('3000 mutations of the pointer of two copies: one of the two, or a typed error', async () => {
  const update = await createUpdate();
  const disk = await SLOTS.create(update.file);
  await applyTo(SLOTS.open(disk), update);
  const pointer = disk.content('model/current');
  const files = ['a', 'b'].map((slot) => disk.content(`model/${slot}/${MAIN}`));
  const found = await tryCases(
    'pointers',
    repeat(3_000, async (random) => {
      const changed = disk.clone();
      await changed.remove('model/current');
      await changed.write('model/current', 0, await changedRecord(pointer, random));
      const copies = (): Uint8Array[] => ['a', 'b'].map((slot) => changed.content(`model/${slot}/${MAIN}`));
      await readPointed(changed, update).finally(() => expect(copies()).toEqual(files));
    }),
  );
  expect(Object.keys(found.refused)).toEqual(['storage-mismatch']);
});
