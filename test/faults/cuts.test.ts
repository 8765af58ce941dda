import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/storage/disk.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import type { FaultyDisk, Survival } from '../rig/faulty-disk.js';
import { applyTo, createUpdate, STORAGES, type Update } from '../storage/storages.js';
import { printCounts } from './counts.js';

/** Everything kept, nothing kept, and parts of it: torn, reordered and lost writes. */
const SURVIVALS: readonly Survival[] = [
  'all',
  'none',
  ...Array.from({ length: 6 }, (_, i) => ({ seed: i + 1 })),
];

describe.each(STORAGES)('the power is cut: $name', ({ name, create, open }) => {
  /** After a recovery the model is one of those named, and nothing is in the way of another update. */
  const checkThat = (update: Update, names: readonly string[]) => async (disk: Disk) => {
    const storage = open(disk);
    const found = await fingerprintOf(storage);
    expect(names).toContain(found);
    if ((await storage.recover()) === 'trial') expect(found).toBe(update.next);
    if (found === update.next) return;
    await applyTo(storage, update);
    expect(await fingerprintOf(storage)).toBe(update.next);
  };

  async function onTrial(update: Update): Promise<FaultyDisk> {
    const disk = await create(update.file);
    await applyTo(open(disk), update);
    return disk.afterCut('all');
  }

  const ACTS = {
    update: { prepare: (update: Update) => create(update.file), act: 'update' },
    confirm: { prepare: onTrial, act: 'confirm' },
    rollback: { prepare: onTrial, act: 'rollback' },
  } as const;

  test.each(Object.keys(ACTS) as (keyof typeof ACTS)[])('during %s', async (which) => {
    const update = await createUpdate();
    const { prepare } = ACTS[which];
    const act = async (disk: Disk): Promise<void> => {
      const storage = open(disk);
      if (which === 'update') await applyTo(storage, update);
      else await storage[which]();
    };
    const names = which === 'confirm' ? [update.next] : [update.base, update.next];
    const tally = await cutEverywhere({
      disk: await prepare(update),
      act,
      recover: async (disk) => void (await open(disk).recover()),
      check: checkThat(update, names),
      survivals: SURVIVALS,
    });
    printCounts(`power loss at ${tally.operations} operations, ${name}, ${which}`, {
      'base or next': tally.states,
    });
    expect(tally.states).toBeGreaterThan(2 * tally.operations * SURVIVALS.length);
  });
});
