import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { Progress } from '../../src/model/progress.js';
import type { WeightStore } from '../../src/model/store.js';
import type { Disk } from '../../src/storage/disk.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import type { FaultyDisk } from '../rig/faulty-disk.js';
import { codeOf, errorOf } from '../support.js';
import { applyTo, createUpdate, STORAGES } from './storages.js';

describe.each(STORAGES)('a model that is kept in storage: $name', ({ create, open, state: path }) => {
  test('is on trial after an update, and next after confirm()', async () => {
    const update = await createUpdate();
    const storage = open(await create(update.file));
    expect(await storage.recover()).toBe('settled');
    await applyTo(storage, update);
    expect(await fingerprintOf(storage)).toBe(update.next);
    expect(await storage.recover()).toBe('trial');
    await storage.confirm();
    expect(await storage.recover()).toBe('settled');
    expect(await fingerprintOf(storage)).toBe(update.next);
    expect(await storage.rollback()).toBe(false);
  });

  test('is base again after rollback(), and can be updated again', async () => {
    const update = await createUpdate();
    const storage = open(await create(update.file));
    await applyTo(storage, update);
    expect(await storage.rollback()).toBe(true);
    expect(await storage.recover()).toBe('settled');
    expect(await fingerprintOf(storage)).toBe(update.base);
    await applyTo(storage, update);
    expect(await fingerprintOf(storage)).toBe(update.next);
  });

  test('is base, and settled, after an update that throws half-way', async () => {
    const update = await createUpdate();
    const storage = open(await create(update.file));
    const failing = storage.update(async (store) => {
      await store.write('a/kernel', 0, new Uint8Array(8_192).fill(3));
      await store.flush();
      throw new NeuralDiffError('bad-data', 'no');
    }, update);
    expect(await codeOf(() => failing)).toBe('bad-data');
    expect(await storage.recover()).toBe('settled');
    expect(await fingerprintOf(storage)).toBe(update.base);
  });

  test('refuses an update while it is on trial', async () => {
    const update = await createUpdate();
    const storage = open(await create(update.file));
    await applyTo(storage, update);
    expect(await codeOf(() => applyTo(storage, update))).toBe('on-trial');
    expect(await fingerprintOf(storage)).toBe(update.next);
    expect(await storage.recover()).toBe('trial');
  });

  test('lets one update run at a time', async () => {
    const update = await createUpdate();
    const storage = open(await create(update.file));
    await storage.update(async (store) => {
      await store.readInto('b/bias', 0, new Uint8Array(1));
      expect(await codeOf(() => applyTo(storage, update))).toBe('locked');
      expect(await codeOf(() => storage.recover())).toBe('locked');
    }, update);
  });

  test('is base, and settled, after an update that a signal stops at any moment', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    const stops = new Set<string>();
    for (let stopAt = 0; ; stopAt++) {
      const one = disk.clone();
      const storage = open(one);
      const stop = new AbortController();
      let seen = 0;
      const onProgress = (progress: Progress<'check' | 'write' | 'verify'>): void => {
        if (seen++ === stopAt) stop.abort(new Error(`stopped in ${progress.phase}`));
      };
      const names = { base: update.base, next: update.next, signal: stop.signal };
      const stopped = storage.update(async (store) => {
        await applyPayload(store, update.payload, { onProgress });
      }, names);
      const message = await stopped.then(
        () => 'whole',
        (error) => (error as Error).message,
      );
      if (message === 'whole') break;
      stops.add(message);
      expect(seen).toBeLessThanOrEqual(stopAt + 2);
      expect(await storage.recover()).toBe('settled');
      expect(await fingerprintOf(storage)).toBe(update.base);
      await applyTo(storage, update);
      expect(await fingerprintOf(storage)).toBe(update.next);
    }
    expect([...stops]).toEqual(['stopped in check', 'stopped in write', 'stopped in verify']);
  });

  test('is out of reach for what still has the store after an update: one that was undone, or confirmed', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    const many = new Uint8Array(12_000).fill(9);
    for (const fails of [true, false]) {
      const one = disk.clone();
      const storage = open(one);
      const held: WeightStore[] = [];
      let late: Promise<void> | undefined;
      const change = async (store: WeightStore): Promise<void> => {
        held.push(store);
        await applyPayload(store, update.payload);
        if (!fails) return;
        await store.write('a/kernel', 0, many);
        late = store.flush();
        throw new Error('raced');
      };
      await storage.update(change, update).catch((error) => expect(error.message).toBe('raced'));
      const expected = fails ? update.base : update.next;
      expect(await fingerprintOf(storage)).toBe(expected);
      await late;
      await storage.confirm();
      const writing = held.map((store) => store.write('a/kernel', 0, many).then(() => store.flush()));
      await expect(Promise.all(writing)).rejects.toThrow(RangeError);
      expect(await fingerprintOf(storage)).toBe(expected);
      expect(await storage.recover()).toBe('settled');
    }
  });

  test('is not touched by an update whose names are no fingerprints', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    const change = async (): Promise<void> => expect.unreachable();
    const digits = 'ab'.repeat(16);
    for (const names of [
      { base: '', next: '' },
      { base: digits, next: '' },
      { base: `${digits}00`, next: digits },
      { base: digits.toUpperCase(), next: digits },
      { base: digits, next: undefined as unknown as string },
    ]) {
      await expect(open(disk).update(change, names)).rejects.toThrow(RangeError);
    }
    expect(disk.log.filter((line) => line.startsWith('write'))).toEqual([]);
  });

  test('is not even copied for an update whose signal has fired', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    const change = async (): Promise<void> => expect.unreachable();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(open(disk).update(change, { ...update, signal })).rejects.toThrow('enough');
    expect(disk.log.filter((line) => /^(write|rename) .*(safetensors|journal)/.test(line))).toEqual([]);
  });

  test('is left alone by a payload for another base', async () => {
    const [update, other] = [await createUpdate(), await createUpdate(9)];
    const disk = await create(update.file);
    const storage = open(disk);
    expect(await codeOf(() => applyTo(storage, { ...update, payload: other.payload }))).toBe('wrong-base');
    expect(await fingerprintOf(storage)).toBe(update.base);
    expect(await storage.recover()).toBe('settled');
  });

  test('survives a full disk at any size, and says so', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    let refusals = 0;
    for (let spare = 0; spare < 40_000; spare += 1_000) {
      const full = disk.clone({ capacity: (await bytesOn(disk)) + spare });
      const storage = open(full);
      const code = await codeOf(() => applyTo(storage, update)).catch(() => 'none');
      if (code === 'none') continue;
      refusals++;
      expect(code).toBe('no-space');
      expect(await storage.recover()).toBe('settled');
      expect(await fingerprintOf(storage)).toBe(update.base);
    }
    expect(refusals).toBeGreaterThan(5);
    expect(refusals).toBeLessThan(40);
  });

  test('has no space: checked before the start, and injected at every write; the base still loads', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    const full = disk.clone({ capacity: (await bytesOn(disk)) + 1_000 });
    // A copy takes the place of the one before, so that the first needs no less space than the model.
    const error = await errorOf(() => applyTo(open(full), update));
    expect([error.code, error.facts.free]).toEqual(['no-space', 1_000]);
    expect(error.facts.needed).toBeGreaterThan(1_000);
    expect(full.log.filter((line) => /^(write|rename|remove)/.test(line))).toEqual([]);
    let refusals = 0;
    for (let failAt = 0, code = 'no-space'; code === 'no-space'; failAt++) {
      const one = disk.clone();
      code = await codeOf(() => applyTo(open(withoutSpace(one, failAt)), update)).catch(() => 'none');
      if (code === 'none') break;
      refusals++;
      expect(code).toBe('no-space');
      expect(await open(one).recover()).toBe('settled');
      expect(await fingerprintOf(open(one))).toBe(update.base);
      await applyTo(open(one), update);
    }
    expect(refusals).toBeGreaterThan(3);
  });

  test('survives an operation that fails, whichever it is', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    const whole = disk.clone();
    await applyTo(open(whole), update);
    for (let failAt = 0; failAt < whole.log.length; failAt++) {
      const failing = disk.clone({ failAt });
      const storage = open(failing);
      expect(await codeOf(() => applyTo(storage, update))).toBe('file-unreadable');
      expect(await storage.recover()).toBe('settled');
      expect(await fingerprintOf(storage)).toBe(update.base);
    }
  });

  test('notices a state that was damaged', async () => {
    const update = await createUpdate();
    const disk = await create(update.file);
    await applyTo(open(disk), update);
    const state = disk.content(path);
    const found = new Set<string>();
    for (let at = 0; at < state.length; at += Math.ceil(state.length / 150)) {
      const damaged = disk.clone();
      await damaged.write(path, at, Uint8Array.of((state[at] as number) ^ 1));
      const storage = open(damaged);
      const code = await codeOf(() => storage.rollback()).catch(() => 'none');
      found.add(code);
      if (code === 'none') expect([update.base, update.next]).toContain(await fingerprintOf(storage));
    }
    expect(found).toContain('storage-mismatch');
    expect([...found].filter((code) => !['none', 'storage-mismatch'].includes(code))).toEqual([]);
  });
});

/** @returns a disk whose write of a number from 0 finds no space */
function withoutSpace(disk: Disk, failAt: number): Disk {
  let writes = 0;
  return {
    ...disk,
    async write(path, offset, bytes) {
      if (writes++ === failAt) throw new NeuralDiffError('no-space', `Cannot write "${path}": injected`);
      await disk.write(path, offset, bytes);
    },
  };
}

/** @returns the bytes of all files */
async function bytesOn(disk: FaultyDisk): Promise<number> {
  const paths = await disk.clone().list('');
  return paths.reduce((sum, path) => sum + disk.content(path).length, 0);
}
