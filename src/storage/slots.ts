import { NeuralDiffError } from '../model/errors.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import {
  type Disk,
  filesOnDisk,
  folderOf,
  type ModelPlace,
  pathIn,
  readRecord,
  stoppable,
  writeRecord,
} from './disk.js';
import { checkFingerprints, type ModelStorage, onTrial, type StorageStatus } from './storage.js';

/** Where the two copies of a model are. */
export interface SlotOptions {
  readonly disk: Disk;
  /** Folder on the disk for the copies and what says which of them runs; `''` for the outermost one. */
  readonly folder: string;
  /** Opens the model from its files: a container's reader with the name of its main file. */
  readonly openModel: (files: ModelFiles) => Promise<WeightStore>;
}

/** A model that is kept twice. */
export interface SlotStorage extends ModelStorage {
  /** @returns the folder, on the disk, of the copy that runs */
  folder(): Promise<string>;
}

const SLOTS = ['a', 'b'] as const;
type Slot = (typeof SLOTS)[number];

/** Which copy runs, and whether the other one is the model before it. */
interface Current {
  readonly slot: Slot;
  readonly status: StorageStatus;
}

/**
 * Keeps a model twice (A/B): an update changes the copy that does not run, and a pointer is flipped once that is durable.
 * Readers of the copy that runs see a whole model at any moment. Takes twice the space, and nothing is ever undone.
 */
export function openSlots(options: SlotOptions): SlotStorage {
  const { disk, folder } = options;
  const locked = <T>(run: () => Promise<T>): Promise<T> => disk.withLock(pointerOf(folder), run);
  const point = (current: Current): Promise<void> => writePointer(options, current);
  const folderOfSlot = ({ slot }: Current): string => join(folder, slot);
  return {
    folder: async () => folderOfSlot(await readPointer(options)),
    recover: () => locked(async () => (await readPointer(options)).status),
    async open() {
      return options.openModel(filesOnDisk({ disk, folder: folderOfSlot(await readPointer(options)) }));
    },
    update: (change, { isTrial = true, signal, ...names }) =>
      locked(async () => {
        checkFingerprints(names);
        const current = await readPointer(options);
        if (current.status === 'trial') throw onTrial();
        signal?.throwIfAborted();
        const next: Current = { slot: otherThan(current.slot), status: isTrial ? 'trial' : 'settled' };
        const [from, to] = [current, next].map((each) => ({ disk, folder: folderOfSlot(each) })) as [
          ModelPlace,
          ModelPlace,
        ];
        const files = (await disk.list(from.folder)).map((path) => path.slice(from.folder.length + 1));
        await fill(to, stoppable(filesOnDisk(from), signal), files);
        const store = await options.openModel(stoppable(filesOnDisk(to), signal));
        try {
          await change(store);
          await store.flush();
          signal?.throwIfAborted();
        } finally {
          await store.close();
        }
        await point(next);
      }),
    confirm: () =>
      locked(async () => {
        const current = await readPointer(options);
        if (current.status === 'trial') await point({ ...current, status: 'settled' });
      }),
    rollback: () =>
      locked(async () => {
        const current = await readPointer(options);
        if (current.status !== 'trial') return false;
        await point({ slot: otherThan(current.slot), status: 'settled' });
        return true;
      }),
  };
}

/**
 * Puts a model's files into the first slot, where a device has none yet.
 *
 * @param files where they come from
 * @param names the files to take
 */
export async function installSlots(
  options: SlotOptions,
  files: ModelFiles,
  names: readonly string[],
): Promise<void> {
  const { disk, folder } = options;
  await disk.withLock(pointerOf(folder), async () => {
    await fill({ disk, folder: join(folder, SLOTS[0]) }, files, names);
    await writePointer(options, { slot: SLOTS[0], status: 'settled' });
  });
}

async function readPointer({ disk, folder }: SlotOptions): Promise<Current> {
  const bytes = await readRecord(disk, pointerOf(folder));
  if (bytes === undefined)
    throw new NeuralDiffError('file-not-found', `Cannot open model: "${folder}" has none installed`);
  const [slot, status] = new TextDecoder().decode(bytes).split(' ');
  return { slot: slot as Slot, status: status as StorageStatus };
}

async function writePointer({ disk, folder }: SlotOptions, { slot, status }: Current): Promise<void> {
  await writeRecord(disk, pointerOf(folder), new TextEncoder().encode(`${slot} ${status}`));
}

/** Makes a folder's files those of a model, durably. */
async function fill(
  { disk, folder }: ModelPlace,
  files: ModelFiles,
  names: readonly string[],
): Promise<void> {
  for (const path of await disk.list(folder)) await disk.remove(path);
  for (const name of names) await copyFile(disk, { files, name }, pathIn({ disk, folder }, name));
  await syncFolders(disk, folder);
}

async function copyFile(
  disk: Disk,
  { files, name }: { files: ModelFiles; name: string },
  to: string,
): Promise<void> {
  const size = await files.size(name);
  const room = new Uint8Array(Math.min(CHUNK_BYTES, size));
  await disk.write(to, 0, new Uint8Array(0));
  for (let at = 0; at < size; at += room.length) {
    const piece = room.subarray(0, size - at);
    await files.readInto(name, at, piece);
    await disk.write(to, at, piece);
  }
  await disk.sync(to);
}

/** Makes the names of all files below a folder durable, and the folder's own. */
async function syncFolders(disk: Disk, folder: string): Promise<void> {
  const folders = new Set((await disk.list(folder)).map(folderOf));
  for (const each of [...folders, folderOf(folder)]) await disk.syncDirectory(each);
}

const pointerOf = (folder: string): string => join(folder, 'current');
const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);
const otherThan = (slot: Slot): Slot => (slot === 'a' ? 'b' : 'a');
