import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Model } from '../../src/model/tensor.js';
import { openPayload } from '../../src/payload/open-payload.js';
import type { Disk } from '../../src/storage/disk.js';
import { installSlots, openSlots, type SlotStorage } from '../../src/storage/slots.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { diffMaps, filesOf } from '../exact-diff/files/make-files.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import { createFaultyDisk, type FaultyDisk, type Survival } from '../rig/faulty-disk.js';
import { MAIN } from '../storage/storages.js';
import { seededTensor } from '../support.js';
import { printCounts } from './counts.js';

const SURVIVALS: readonly Survival[] = ['all', 'none', { seed: 1 }, { seed: 2 }, { seed: 3 }];

const kernel = seededTensor('kernel', 'float32', [40, 30], 1);
const bias = seededTensor('bias', 'float32', [30], 2);
const moved = { ...bias, bytes: bias.bytes.map((byte, i) => (i % 4 === 0 ? byte ^ 1 : byte)) };
const scale = seededTensor('scale', 'float32', [9], 3);
const SMALL: Model = { tensors: [kernel, bias] };
const PATCHED: Model = { tensors: [kernel, moved] };
const LARGE: Model = { tensors: [kernel, bias, scale] };
const LARGE_PATCHED: Model = { tensors: [kernel, moved, scale] };

const openModel = (files: Parameters<typeof openContainer>[0]) => openContainer(files, MAIN);
const open = (disk: Disk): SlotStorage => openSlots({ disk, folder: 'model', openModel });
const patch = async (from: Model, to: Model) => (await diffModels(from, to)).payload;
const newFiles = async (from: Model, to: Model) => {
  const [base, next] = [from, to].map((model) => filesOf({ [MAIN]: writeSafetensors(model) }));
  return (await diffMaps(base as Map<string, Uint8Array>, next as Map<string, Uint8Array>)).payload;
};

/** The models before and after, and the payloads that lead from one to the other within one update. */
const CHAINS = {
  'new files': { from: SMALL, to: LARGE, make: async () => [await newFiles(SMALL, LARGE)] },
  'a patch, then new files': {
    from: SMALL,
    to: LARGE,
    make: async () => [await patch(SMALL, PATCHED), await newFiles(PATCHED, LARGE)],
  },
  'new files, then a patch': {
    from: SMALL,
    to: LARGE_PATCHED,
    make: async () => [await newFiles(SMALL, LARGE), await patch(LARGE, LARGE_PATCHED)],
  },
} as const;

async function installed(model: Model): Promise<FaultyDisk> {
  const disk = createFaultyDisk();
  const files = openMemoryFiles(filesOf({ [MAIN]: writeSafetensors(model) }));
  await installSlots({ disk, folder: 'model', openModel }, files, [MAIN]);
  return disk.afterCut('none');
}

async function update(disk: Disk, payloads: readonly Uint8Array[]): Promise<void> {
  const headers = await Promise.all(payloads.map(async (payload) => (await openPayload(payload)).header));
  const [first, last] = [headers[0], headers.at(-1)] as [{ base: string }, { next: string }];
  await open(disk).update(
    async (store) => {
      for (const payload of payloads) await applyPayload(store, payload);
    },
    { base: first.base, next: last.next },
  );
}

/** @returns the whole of the active copy, its one file */
async function activeFile(disk: Disk): Promise<Uint8Array> {
  const path = `${await open(disk).folder()}/${MAIN}`;
  const bytes = new Uint8Array((await disk.size(path)) ?? 0);
  await disk.readInto(path, 0, bytes);
  return bytes;
}

const ACTS = ['update', 'confirm', 'rollback'] as const;
const CASES = Object.entries(CHAINS).flatMap(([name, chain]) => ACTS.map((act) => ({ name, act, chain })));

test.each(CASES)('the power is cut: $name, during $act', async ({ name, act, chain }) => {
  const payloads = await chain.make();
  const [base, next] = [writeSafetensors(chain.from), writeSafetensors(chain.to)];
  let disk = await installed(chain.from);
  if (act !== 'update') {
    await update(disk, payloads);
    disk = disk.afterCut('all');
  }
  const found = { base: 0, next: 0 };
  const tally = await cutEverywhere({
    disk,
    act: (cut) =>
      act === 'update'
        ? update(cut, payloads)
        : open(cut)
            [act]()
            .then(() => undefined),
    recover: async (cut) => void (await open(cut).recover()),
    check: async (cut) => {
      const status = await open(cut).recover();
      const file = await activeFile(cut);
      const isNext = file.length === next.length;
      expect(file).toEqual(isNext ? next : base);
      if (status === 'trial' || act === 'confirm') expect(isNext).toBe(true);
      found[isNext ? 'next' : 'base']++;
      expect(await cut.list('model/made')).toEqual([]);
      if (isNext) return;
      // The same update again finishes.
      await update(cut, payloads);
      expect(await activeFile(cut)).toEqual(next);
      await open(cut).confirm();
      expect(await fingerprintOf(open(cut))).toBe(
        (await openPayload(payloads.at(-1) as Uint8Array)).header.next,
      );
    },
    survivals: SURVIVALS,
  });
  printCounts(`power loss at ${tally.operations} operations, ${name}, ${act}`, found);
  expect(tally.states).toBeGreaterThan(tally.operations * SURVIVALS.length);
});
