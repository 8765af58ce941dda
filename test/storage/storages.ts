import { applyPayload } from '../../src/apply/apply-payload.js';
import { openSafetensorsStore } from '../../src/containers/safetensors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Model } from '../../src/model/tensor.js';
import type { Disk } from '../../src/storage/disk.js';
import { openInPlace } from '../../src/storage/in-place.js';
import { installSlots, openSlots } from '../../src/storage/slots.js';
import type { ModelStorage } from '../../src/storage/storage.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { createFaultyDisk, type FaultyDisk } from '../rig/faulty-disk.js';
import { createRandom, pack, seededTensor } from '../support.js';

/** The name of the model's one file. */
export const MAIN = 'model.safetensors';

/** A model, an update of it, and what both are called. */
export interface Update {
  readonly file: Uint8Array;
  readonly payload: Uint8Array;
  readonly base: string;
  readonly next: string;
}

/** @returns a model of a few pages, and an update that changes some of them, one at its very end */
export async function createUpdate(seed = 1): Promise<Update> {
  const model: Model = {
    tensors: [
      seededTensor('a/kernel', 'float32', [48, 64], seed),
      seededTensor('b/kernel', 'float16', [40, 40], seed + 1),
      seededTensor('b/bias', 'int8', [700], seed + 2),
    ],
  };
  const random = createRandom(seed);
  const sparse = Uint32Array.from([0, 1, 2, 1_500, 1_501, 3_071]);
  const levels = Int16Array.from(sparse, () => 1 + (random() % 5));
  const { payload, next } = await pack(model, {
    ops: [
      { kind: 'sparse', tensor: 'a/kernel', scale: 0.25, positions: sparse, levels },
      {
        kind: 'exact',
        tensor: 'b/bias',
        positions: Uint32Array.of(3, 699),
        levels: Int32Array.of(7, -9),
      },
    ],
  });
  const names = { base: await fingerprintOf(model), next: await fingerprintOf(next) };
  return { file: writeSafetensors(model), payload, ...names };
}

async function fingerprintOf(model: Model): Promise<string> {
  const file = writeSafetensors(model);
  const store = await openSafetensorsStore(openMemoryFiles(new Map([[MAIN, file]])), MAIN);
  return await fingerprint(store);
}

/** A way to keep models, and how a disk is made for it. */
export interface StorageKind {
  readonly name: string;
  /** The file that says how an update stands. */
  readonly state: string;
  /** @returns a disk with a model in it, all of it durable */
  create(file: Uint8Array): Promise<FaultyDisk>;
  open(disk: Disk): ModelStorage;
}

const openModel = (files: Parameters<typeof openSafetensorsStore>[0]) => openSafetensorsStore(files, MAIN);

export const STORAGES: readonly StorageKind[] = [
  {
    name: 'in place',
    state: 'update/journal',
    create: async (file) => createFaultyDisk(new Map([[MAIN, file]])),
    open: (disk) => openInPlace({ disk, folder: '', journal: 'update/journal', openModel }),
  },
  {
    name: 'slots',
    state: 'model/current',
    async create(file) {
      const disk = createFaultyDisk();
      await installSlots({ disk, folder: 'model', openModel }, openMemoryFiles(new Map([[MAIN, file]])), [
        MAIN,
      ]);
      return disk.afterCut('none');
    },
    open: (disk) => openSlots({ disk, folder: 'model', openModel }),
  },
];

/** Applies an update to a model that is kept on a disk. */
export async function applyTo(storage: ModelStorage, { payload, base, next }: Update): Promise<void> {
  await storage.update(async (store) => void (await applyPayload(store, payload)), { base, next });
}
