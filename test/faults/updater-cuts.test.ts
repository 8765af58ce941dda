import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/storage/disk.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import type { Survival } from '../rig/faulty-disk.js';
import { STORAGES } from '../storage/storages.js';
import { Fleet } from '../updater/fleet.js';
import { printCounts } from './counts.js';

const SURVIVALS: readonly Survival[] = ['all', 'none', { seed: 1 }, { seed: 2 }];

describe.each(STORAGES)('the power is cut while an updater works: $name', (kind) => {
  test.each(['update', 'confirm', 'rollback'] as const)('during %s', async (which) => {
    const fleet = await Fleet.start(2);
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    const [base, next] = [fleet.version(0).name, fleet.version(1).name];
    const begin = async (disk: Disk) => {
      const updater = device.updater({ disk });
      await updater.start();
      return updater;
    };
    if (which !== 'update') await (await begin(device.disk)).update();
    const act = async (disk: Disk): Promise<void> => void (await (await begin(disk))[which]());
    const check = async (disk: Disk): Promise<void> => {
      const updater = device.updater({ disk });
      const { status, fingerprint, rejectedModels: bad, counter } = await updater.status();
      expect([base, next]).toContain(fingerprint);
      if (status === 'trial') expect(fingerprint).toBe(next);
      if (bad.length > 0) return expect([which, counter]).toEqual(['rollback', 0]);
      // Whatever the cut left, the way goes on from there.
      if (status === 'settled') await updater.update();
      await updater.confirm();
      expect(await updater.status()).toEqual({
        status: 'settled',
        fingerprint: next,
        counter: 1,
        rejectedModels: [],
      });
    };
    const tally = await cutEverywhere({
      disk: device.disk.afterCut('all'),
      act,
      check,
      survivals: SURVIVALS,
      recover: async (disk) => void (await begin(disk)),
    });
    printCounts(`power loss at ${tally.operations} operations, updater, ${kind.name}, ${which}`, {
      'base or next': tally.states,
    });
    expect(tally.states).toBeGreaterThan(2 * tally.operations * SURVIVALS.length);
  });
});
