import { expect, test } from 'vitest';
import type { WeightStore } from '../../src/model/store.js';
import { totalBytes } from '../../src/model/tensor.js';
import type { ModelStorage } from '../../src/storage/storage.js';
import { STORAGES } from '../storage/storages.js';
import { type Device, Fleet } from './fleet.js';

/** @returns the device's storage, and how often what was read since would make a whole model */
function countReads(device: Device): { storage: ModelStorage; models(): number } {
  const storage = device.storage();
  let bytes = 0;
  let whole = 1;
  const counted = (store: WeightStore): WeightStore => {
    whole = totalBytes(store.tensors);
    return {
      ...store,
      readInto(name, byteOffset, target) {
        bytes += target.length;
        return store.readInto(name, byteOffset, target);
      },
    };
  };
  return {
    storage: {
      ...storage,
      open: async () => counted(await storage.open()),
      update: (change, terms) => storage.update((store) => change(counted(store)), terms),
    },
    models: () => bytes / whole,
  };
}

test.each(STORAGES)(
  'an updater on a model that is kept $name reads it no more often than it must',
  async (kind) => {
    const fleet = await Fleet.start(2);
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    const { storage, models } = countReads(device);
    const updater = device.updater({ storage });
    await updater.recover();
    expect(models()).toBe(0);
    const { fingerprint, counter } = await updater.update();
    expect([fingerprint, counter]).toEqual([fleet.version(1).name, 0]);
    // To plan, to check the base and the result, to read back; between the last two, the tensors that the
    // payload touches.
    expect(models()).toBeGreaterThan(3);
    expect(models()).toBeLessThan(4);
    const before = models();
    await updater.recover();
    await updater.confirm();
    expect(models()).toBe(before);
    const current = await updater.update();
    expect([current.status, current.fingerprint, current.counter]).toEqual(['current', fingerprint, 1]);
    expect(models() - before).toBeCloseTo(1);
    await updater.start();
    expect(models() - before).toBeCloseTo(2);
  },
);
