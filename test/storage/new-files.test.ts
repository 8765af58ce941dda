import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Model } from '../../src/model/tensor.js';
import { openPayload } from '../../src/payload/open-payload.js';
import type { Disk } from '../../src/storage/disk.js';
import { openInPlace } from '../../src/storage/in-place.js';
import { installSlots, openSlots, type SlotStorage } from '../../src/storage/slots.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { diffMaps, type FileMap } from '../exact-diff/files/make-files.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import { createFaultyDisk, type FaultyDisk } from '../rig/faulty-disk.js';
import { codeOf, concat, errorOf, seededTensor } from '../support.js';

const kernel = seededTensor('kernel', 'float32', [40, 30], 1);
const bias = seededTensor('bias', 'float32', [30], 2);
const openModel = (files: Parameters<typeof openContainer>[0]) => openContainer(files, 'model.json');

function layers({ tensors }: Model, shard: string): FileMap {
  const weights = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const manifest = { modelTopology: {}, weightsManifest: [{ paths: [shard], weights }] };
  return new Map([
    ['model.json', new TextEncoder().encode(JSON.stringify(manifest))],
    [shard, concat(...tensors.map(({ bytes }) => bytes))],
  ]);
}

const base = layers({ tensors: [kernel, bias] }, 'all.bin');
const next = layers({ tensors: [kernel, bias, seededTensor('scale', 'float32', [9], 3)] }, 'weights.bin');
const vocabulary = new TextEncoder().encode('a b c');

async function installed(): Promise<FaultyDisk> {
  const disk = createFaultyDisk();
  const files = openMemoryFiles(new Map([...base, ['vocab.txt', vocabulary]]));
  await installSlots({ disk, folder: 'model', openModel }, files, [...base.keys(), 'vocab.txt']);
  return disk.afterCut('none');
}

const open = (disk: Disk): SlotStorage => openSlots({ disk, folder: 'model', openModel });

async function update(storage: SlotStorage, payload: Uint8Array): Promise<void> {
  const { header } = await openPayload(payload);
  await storage.update(async (store) => void (await applyPayload(store, payload)), header);
}

/** @returns the files of the active copy */
async function filesIn(disk: Disk): Promise<Map<string, Uint8Array>> {
  const folder = await open(disk).folder();
  const found = new Map<string, Uint8Array>();
  for (const path of await disk.list(folder)) {
    const bytes = new Uint8Array((await disk.size(path)) ?? 0);
    await disk.readInto(path, 0, bytes);
    found.set(path.slice(folder.length + 1), bytes);
  }
  return found;
}

const whole = (files: FileMap) => new Map([...files, ['vocab.txt', vocabulary] as const]);

test('storage with two copies takes new files: on trial, confirmed, or rolled back', async () => {
  const { payload, ...names } = await diffMaps(base, next);
  const disk = await installed();
  const storage = open(disk);
  await update(storage, payload);
  expect(await storage.recover()).toBe('trial');
  expect(await fingerprintOf(storage)).toBe(names.next);
  expect(await filesIn(disk)).toEqual(whole(next));
  expect(await storage.rollback()).toBe(true);
  expect(await filesIn(disk)).toEqual(whole(base));
  await update(storage, payload);
  await storage.confirm();
  expect(await filesIn(disk)).toEqual(whole(next));
  expect((await disk.list('model')).filter((path) => path.startsWith('model/made'))).toEqual([]);
});

test('new files come after patches, and patches after new files, within one update', async () => {
  const moved = { ...bias, bytes: bias.bytes.map((byte, i) => (i % 4 === 0 ? byte ^ 1 : byte)) };
  const middle = layers({ tensors: [kernel, moved] }, 'all.bin');
  const patch = (await diffModels({ tensors: [kernel, bias] }, { tensors: [kernel, moved] })).payload;
  const there = await diffMaps(middle, next);
  const back = await diffMaps(next, base);
  const disk = await installed();
  const first = (await openPayload(patch)).header;
  const steps = [patch, there.payload, back.payload, patch];
  await open(disk).update(
    async (store) => {
      for (const payload of steps) await applyPayload(store, payload);
    },
    { base: first.base, next: first.next },
  );
  expect(await filesIn(disk)).toEqual(whole(middle));
});

test('an update that fails leaves the base, and nothing else', async () => {
  const { payload } = await diffMaps(base, next);
  const disk = await installed();
  const failing = open(disk).update(
    async (store) => {
      await applyPayload(store, payload);
      throw new Error('the self-test failed');
    },
    (await openPayload(payload)).header,
  );
  await expect(failing).rejects.toThrow('the self-test failed');
  expect(await filesIn(disk)).toEqual(whole(base));
  expect(await open(disk).recover()).toBe('settled');
});

test('a full disk is found before the new files are written', async () => {
  const large = layers(
    { tensors: [kernel, bias, seededTensor('large', 'float32', [100, 100], 3)] },
    'weights.bin',
  );
  const { payload } = await diffMaps(base, large);
  const disk = (await installed()).clone({ capacity: 30_000 });
  const error = await errorOf(() => update(open(disk), payload));
  expect([error.code, error.facts.needed]).toEqual([
    'no-space',
    45_000 + (large.get('model.json')?.length ?? 0) - 80,
  ]);
});

test('storage in place refuses new files, and keeps the base', async () => {
  const { payload } = await diffMaps(base, next);
  const disk = createFaultyDisk(base);
  const storage = openInPlace({ disk, folder: '', journal: 'journal', openModel });
  const { header } = await openPayload(payload);
  const failing = storage.update(async (store) => void (await applyPayload(store, payload)), header);
  expect(await codeOf(() => failing)).toBe('needs-copy');
  expect(await storage.recover()).toBe('settled');
  expect(await fingerprintOf(storage)).toBe(header.base);
});

test('a power loss at any operation leaves the files of base or next', async () => {
  const { payload, ...names } = await diffMaps(base, next);
  const { operations, states } = await cutEverywhere({
    disk: await installed(),
    act: (disk) => update(open(disk), payload),
    recover: async (disk) => void (await open(disk).recover()),
    check: async (disk) => {
      const isNext = (await fingerprintOf(open(disk))) === names.next;
      expect(await filesIn(disk)).toEqual(whole(isNext ? next : base));
      if (!isNext) await update(open(disk), payload);
      expect(await filesIn(disk)).toEqual(whole(next));
      expect((await disk.list('model/made')).length).toBe(0);
    },
    survivals: [{ seed: 5 }],
  });
  expect(operations).toBeGreaterThan(40);
  expect(states).toBeGreaterThan(operations);
});
