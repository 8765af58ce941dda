import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openNodeDisk } from '../../src/node/disk.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { applyTo, createUpdate, MAIN, STORAGES, type StorageKind } from '../storage/storages.js';
import { codeOf } from '../support.js';
import { Fleet } from './fleet.js';

test('a plan that is no longer true is refused: base, counter, date, a model that was rolled back', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1);
  const device = await fleet.device();
  const updater = device.updater();
  const { plan } = await updater.check();
  await updater.update(plan);
  await updater.rollback();
  expect(await codeOf(() => updater.update(plan))).toBe('release-refused');
  const other = await fleet.device();
  const { plan: old } = await other.updater().check();
  fleet.publisher.clock.pass(100);
  expect(await codeOf(() => other.updater().update(old))).toBe('metadata-expired');
  fleet.publisher.clock.pass(-100);
  await other.updater().update(old);
  await other.updater().confirm();
  expect(await codeOf(() => other.updater().update(old))).toBe('wrong-base');
  await fleet.release(2);
  const ahead = (await fleet.device(0)).updater({ counter: 2 });
  expect(await codeOf(() => ahead.update(old))).toBe('release-refused');
});

test('confirm() after an interrupted update leaves the counter unchanged', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const device = await fleet.device();
  const whole = device.disk.clone();
  await device.updater({ disk: whole }).update();
  const at = whole.log.findIndex((line) => line.startsWith(`write ${MAIN}`));
  const cut = device.disk.clone({ cutAt: at + 1 });
  await expect(device.updater({ disk: cut }).update()).rejects.toThrow('the power is cut');
  const updater = device.updater({ disk: cut.afterCut('all') });
  await updater.confirm();
  expect(await updater.status()).toEqual({
    status: 'settled',
    fingerprint: fleet.version(0).name,
    counter: 0,
    rejectedModels: [],
  });
});

test('a rollback needs no space on the disk', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const device = await fleet.device();
  await device.updater().update();
  for (const path of await device.disk.list('updates/downloads')) await device.disk.remove(path);
  const paths = await device.disk.list('');
  const used = paths.reduce((sum, path) => sum + device.disk.content(path).length, 0);
  const full = device.disk.clone({ capacity: used });
  const updater = device.updater({ disk: full });
  expect(await updater.rollback()).toBe(true);
  expect((await updater.status()).fingerprint).toBe(fleet.version(0).name);
});

test('writes side by side are all made, and a failure ends the update', async () => {
  const update = await createUpdate();
  const [inPlace] = STORAGES as [StorageKind];
  const storage = inPlace.open(await inPlace.create(update.file));
  await storage.update(async (store) => {
    const writes = Array.from({ length: 300 }, (_, i) =>
      store.write('a/kernel', 40 * i, Uint8Array.of(1, 2, 3, 4)),
    );
    await Promise.all(writes);
    await store.flush();
    const found = new Uint8Array(12_000);
    await store.readInto('a/kernel', 0, found);
    for (let i = 0; i < 300; i++) expect([...found.subarray(40 * i, 40 * i + 4)]).toEqual([1, 2, 3, 4]);
  }, update);
  expect(await storage.rollback()).toBe(true);
  expect(await fingerprintOf(storage)).toBe(update.base);
  const disk = createFaultyDisk(new Map([[MAIN, update.file]]), { failAt: 9 });
  const failing = inPlace.open(disk);
  const retry = failing.update(async (store) => {
    const write = async () => {
      await store.write('a/kernel', 0, new Uint8Array(9_000));
      await store.flush();
    };
    await write().catch(write);
  }, update);
  expect(await codeOf(() => retry)).toBe('file-unreadable');
  expect(await fingerprintOf(failing)).toBe(update.base);
});

test('two processes see what the other one wrote', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'neural-diff-two-'));
  const update = await createUpdate();
  await writeFile(join(folder, MAIN), update.file);
  const [inPlace] = STORAGES as [StorageKind];
  const [one, other] = [openNodeDisk(folder), openNodeDisk(folder)];
  await applyTo(inPlace.open(one), update);
  expect(await inPlace.open(other).recover()).toBe('trial');
  expect(await inPlace.open(one).rollback()).toBe(true);
  await applyTo(inPlace.open(one), update);
  await inPlace.open(one).confirm();
  expect(await inPlace.open(other).rollback()).toBe(false);
  expect(await fingerprintOf(inPlace.open(other))).toBe(update.next);
  expect(readFileSync(join(folder, MAIN)).equals(update.file)).toBe(false);
  for (const disk of [one, other]) await disk.close();
  await rm(folder, { recursive: true });
});
