import { throwIfAborted } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { decodeLatin1, encodeUtf8 } from '../model/text.js';
import {
  checkFree,
  type Disk,
  filesOnDisk,
  folderOf,
  type ModelLocation,
  pathIn,
  readRecord,
  sizeOf,
  withSignal,
  writeRecord,
} from './disk.js';
import {
  checkFingerprints,
  type ModelStorage,
  onTrial,
  openRewritable,
  type StorageStatus,
} from './storage.js';

/** The location of a model's two copies. */
export interface SlotOptions {
  readonly disk: Disk;
  /** Folder on the disk for the copies and the pointer to the active one; `''` for the root. */
  readonly folder: string;
  /** Opens the model from its files, for example with `openContainer`. */
  readonly openModel: (files: ModelFiles) => Promise<WeightStore>;
}

/** A model that is stored twice. */
export interface SlotStorage extends ModelStorage {
  /** @returns the folder, on the disk, of the active copy */
  folder(): Promise<string>;
}

const SLOTS = ['a', 'b'] as const;
type Slot = (typeof SLOTS)[number];

/** The active copy and its status; during a trial the other copy is the previous model. */
interface Current {
  readonly slot: Slot;
  readonly status: StorageStatus;
}

/** All that a pointer may say. */
const STATES: readonly Current[] = SLOTS.flatMap((slot) =>
  (['settled', 'trial'] as const).map((status) => ({ slot, status })),
);

const textOf = ({ slot, status }: Current): string => `${slot} ${status}`;

/**
 * Opens a model that is stored twice (A/B): an update changes the inactive copy, then a pointer is switched
 * atomically.
 *
 * Readers of the active copy always see a complete model. Takes twice the space, and that of the new files
 * while an update makes them; no recovery is needed.
 */
export function openSlots(options: SlotOptions): SlotStorage {
  const { disk, folder } = options;
  const locked = <T>(run: () => Promise<T>): Promise<T> => disk.withLock(pointerOf(folder), run);
  const setPointer = (current: Current): Promise<void> => writePointer(options, current);
  const folderOfSlot = ({ slot }: Current): string => join(folder, slot);
  return {
    path: pointerOf(folder),
    folder: async () => folderOfSlot(await readPointer(options)),
    recover: () =>
      locked(async () => {
        await removeFiles({ disk, folder: join(folder, STAGED) });
        return (await readPointer(options)).status;
      }),
    async open() {
      return options.openModel(filesOnDisk({ disk, folder: folderOfSlot(await readPointer(options)) }));
    },
    update: (change, { isTrial = true, signal, ...fingerprints }) =>
      locked(async () => {
        checkFingerprints(fingerprints);
        const current = await readPointer(options);
        if (current.status === 'trial') throw onTrial();
        throwIfAborted(signal);
        const next: Current = { slot: otherSlot(current.slot), status: isTrial ? 'trial' : 'settled' };
        const from = { disk, folder: folderOfSlot(current) };
        const to = { disk, folder: folderOfSlot(next) };
        const files = (await disk.list(from.folder)).map((path) => path.slice(from.folder.length + 1));
        await checkSpace(from, to);
        await replaceFiles(to, withSignal(filesOnDisk(from), signal), files);
        const open = (): Promise<WeightStore> => options.openModel(withSignal(filesOnDisk(to), signal));
        const store = openRewritable(await open(), async (write, made) => {
          await rewriteFiles({ disk, folder: join(folder, STAGED) }, to, { write, made, signal });
          return open();
        });
        try {
          await change(store);
          await store.flush();
          throwIfAborted(signal);
        } finally {
          await store.close();
        }
        await setPointer(next).catch(async (error) => {
          // It may name the new copy already. If this fails too, the pointer decides.
          await setPointer(current).catch(() => undefined);
          throw error;
        });
      }),
    confirm: () =>
      locked(async () => {
        const current = await readPointer(options);
        if (current.status === 'trial') await setPointer({ ...current, status: 'settled' });
      }),
    rollback: () =>
      locked(async () => {
        const current = await readPointer(options);
        if (current.status !== 'trial') return false;
        await setPointer({ slot: otherSlot(current.slot), status: 'settled' });
        return true;
      }),
  };
}

/**
 * Installs a model into the first slot of a device.
 *
 * @param files the source of the files
 * @param names names of the files to copy
 */
export async function installSlots(
  options: SlotOptions,
  files: ModelFiles,
  names: readonly string[],
): Promise<void> {
  const { disk, folder } = options;
  await disk.withLock(pointerOf(folder), async () => {
    await replaceFiles({ disk, folder: join(folder, SLOTS[0]) }, files, names);
    await writePointer(options, { slot: SLOTS[0], status: 'settled' });
  });
}

async function readPointer({ disk, folder }: SlotOptions): Promise<Current> {
  const bytes = await readRecord(disk, pointerOf(folder));
  if (bytes === undefined)
    throw new NeuralDiffError('file-not-found', `Cannot open model: no model is installed in "${folder}"`);
  const text = decodeLatin1(bytes);
  const current = STATES.find((each) => textOf(each) === text);
  if (current !== undefined) return current;
  const why = `expected "a settled" or the like, got "${text.slice(0, 40)}"; install the model again`;
  throw new NeuralDiffError('storage-mismatch', `Cannot read "${pointerOf(folder)}": ${why}`);
}

async function writePointer({ disk, folder }: SlotOptions, current: Current): Promise<void> {
  await writeRecord(disk, pointerOf(folder), encodeUtf8(textOf(current)));
}

/** Checks the free space for a copy, which takes the place of what is in its folder. */
async function checkSpace(from: ModelLocation, to: ModelLocation): Promise<void> {
  const bytesIn = async ({ disk, folder }: ModelLocation): Promise<number> => {
    let sum = 0;
    for (const path of await disk.list(folder)) sum += await sizeOf(disk, path);
    return sum;
  };
  const needed = (await bytesIn(from)) - (await bytesIn(to));
  await checkFree(from.disk, needed, 'copy the model');
}

/** Replaces the files of a folder by copies of a model's files, durably. */
async function replaceFiles(
  { disk, folder }: ModelLocation,
  files: ModelFiles,
  names: readonly string[],
): Promise<void> {
  await removeFiles({ disk, folder });
  for (const name of names) await copyFile(disk, { files, name }, pathIn({ disk, folder }, name));
  await syncFolders(disk, folder);
}

async function removeFiles({ disk, folder }: ModelLocation): Promise<void> {
  for (const path of await disk.list(folder)) await disk.remove(path);
}

/** Folder for files that replace those of the inactive copy, which they are made from. */
const STAGED = 'made';

/** What replaces the files of a model: what writes them, and the model at present. */
interface Rewrite {
  readonly write: Parameters<NonNullable<WeightStore['rewrite']>>[0];
  readonly made: WeightStore;
  readonly signal: AbortSignal | undefined;
}

/** Replaces the files of a model in the inactive copy by others, durably; files that are not its own stay. */
async function rewriteFiles(
  staged: ModelLocation,
  to: ModelLocation,
  { write, made, signal }: Rewrite,
): Promise<void> {
  const { disk } = staged;
  const reserve = ({ bytes }: { bytes: number }): Promise<void> => checkFree(disk, bytes, 'write the model');
  try {
    await removeFiles(staged);
    await write(withSignal({ ...filesOnDisk(staged), reserve }, signal));
    const names = (await disk.list(staged.folder)).map((path) => path.slice(staged.folder.length + 1));
    for (const name of names) await disk.sync(pathIn(staged, name));
    const own = (await made.parts?.())?.paths ?? [];
    await made.close();
    for (const name of own) await disk.remove(pathIn(to, name));
    for (const name of names) await disk.rename(pathIn(staged, name), pathIn(to, name));
    await syncFolders(disk, to.folder);
  } finally {
    await removeFiles(staged);
  }
}

async function copyFile(
  disk: Disk,
  { files, name }: { files: ModelFiles; name: string },
  to: string,
): Promise<void> {
  const size = await files.size(name);
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size));
  await disk.write(to, 0, new Uint8Array(0));
  for (let at = 0; at < size; at += buffer.length) {
    const piece = buffer.subarray(0, size - at);
    await files.readInto(name, at, piece);
    await disk.write(to, at, piece);
  }
  await disk.sync(to);
}

/** Makes the names of a folder and of all files below it durable. */
async function syncFolders(disk: Disk, folder: string): Promise<void> {
  const folders = new Set((await disk.list(folder)).map(folderOf));
  for (const each of [...folders, folderOf(folder)]) await disk.syncDirectory(each);
}

const pointerOf = (folder: string): string => join(folder, 'current');
const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);
const otherSlot = (slot: Slot): Slot => (slot === 'a' ? 'b' : 'a');
