// Runs in pages and workers: a model that is kept on the disks of browsers.

import { openLayersStore, openMemoryFiles } from 'neural-diff';
import { applyPayload } from 'neural-diff/apply';
import {
  type BrowserDisk,
  installSlots,
  type ModelStorage,
  openIndexedDbDisk,
  openInPlace,
  openOpfsDisk,
  openSlots,
  type SlotOptions,
} from 'neural-diff/storage';
import { decodeLatin1, encodeUtf8 } from '../../src/model/text.js';
import { readRecord, writeRecord } from '../../src/storage/disk.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { codeOf, codesOfUnsafe, DISK_CASES } from '../storage/disk-cases.js';
import { download, downloadFolder } from './patch-copies.js';

/** The two disks of browsers. */
export type DiskKind = 'files' | 'database';

/** A disk, by its kind and a name of its own. */
export interface DiskName {
  readonly kind: DiskKind;
  readonly name: string;
  /** Whether its model is updated in place; by default it is kept twice. */
  readonly inPlace?: boolean;
}

/** Fingerprints of a model before and after an update. */
export interface Names {
  readonly base: string;
  readonly next: string;
}

/** How a model is. */
export interface State {
  readonly status: string;
  readonly fingerprint: string;
}

export function openDisk({ kind, name }: DiskName): Promise<BrowserDisk> {
  return kind === 'files' ? openOpfsDisk({ folder: name }) : openIndexedDbDisk({ database: name });
}

/** @returns what one of the cases gives on a disk of its own */
export async function runCase(of: DiskName, index: number): Promise<unknown> {
  return withDisk(of, (disk) => DISK_CASES[index]?.run(disk));
}

/** @returns what becomes of opening a disk */
export function tryToOpen(of: DiskName): Promise<string> {
  return codeOf(withDisk(of, () => undefined));
}

/**
 * @returns what becomes of the one write, a megabyte each, that does not fit; then of another file, once that
 * one is gone
 */
export function fill(of: DiskName): Promise<string[]> {
  return withDisk(of, async (disk) => {
    const bytes = crypto.getRandomValues(new Uint8Array(2 ** 16));
    const write = async (): Promise<void> => {
      for (let at = 0; at < 2 ** 26; at += bytes.length) await disk.write('large', at, bytes);
      await disk.sync('large');
    };
    const full = await codeOf(write());
    await disk.remove('large');
    await disk.write('small', 0, bytes);
    return [full, await codeOf(disk.sync('small'))];
  });
}

/** Takes away what older browsers do not have. */
export function forgetMove(): void {
  for (const { prototype } of [FileSystemHandle, FileSystemFileHandle])
    Reflect.deleteProperty(prototype, 'move');
}

/**
 * @returns the names in a folder of the private files, as the browser has them, and whether moving is there
 */
export async function namesIn(folder: string): Promise<{ names: string[]; canMove: boolean }> {
  const names: string[] = [];
  const root = await navigator.storage.getDirectory();
  for await (const name of (await root.getDirectoryHandle(folder)).keys()) names.push(name);
  return { names: names.sort(), canMove: 'move' in FileSystemFileHandle.prototype };
}

/** Puts a file where no disk would. */
export async function putFile(folder: string, name: string, text = ''): Promise<void> {
  const root = await navigator.storage.getDirectory();
  const parent = await root.getDirectoryHandle(folder, { create: true });
  const stream = await (await parent.getFileHandle(name, { create: true })).createWritable();
  await stream.write(text);
  await stream.close();
}

/** @returns the content of a file, as text */
export function readText(of: DiskName, path: string): Promise<string> {
  return withDisk(of, async (disk) => {
    const bytes = new Uint8Array((await disk.size(path)) as number);
    await disk.readInto(path, 0, bytes);
    return decodeLatin1(bytes);
  });
}

/** Writes to the start of a file. */
export function writeText(of: DiskName, path: string, text: string): Promise<void> {
  return withDisk(of, async (disk) => {
    await disk.write(path, 0, encodeUtf8(text));
    await disk.sync(path);
  });
}

export function rename(of: DiskName, from: string, to: string): Promise<void> {
  return withDisk(of, (disk) => disk.rename(from, to));
}

export function remove(of: DiskName, path: string): Promise<void> {
  return withDisk(of, (disk) => disk.remove(path));
}

/** Reads a file under a lock that is never released: a worker keeps it open. */
export async function holdOpen(of: DiskName, path: string): Promise<void> {
  const disk = await openDisk(of);
  const read = createSignal();
  showError(
    disk.withLock('held', async () => {
      await disk.readInto(path, 0, new Uint8Array(1));
      read.give();
      await createSignal().given;
    }),
  );
  await read.given;
}

/** @returns what became of a rename: `fine`, or the code of the refusal */
export function tryToRename(of: DiskName, from: string, to: string): Promise<string> {
  return codeOf(rename(of, from, to));
}

const RECORD = 'folder/record';

/** Writes a record, then begins to replace it, for ever. */
export async function startRecords(of: DiskName): Promise<void> {
  const disk = await openDisk(of);
  const write = (number: number): Promise<void> =>
    disk.withLock(RECORD, () => writeRecord(disk, RECORD, encodeUtf8(`${number}`)));
  const replaceForEver = async (): Promise<void> => {
    for (let number = 1; ; number++) await write(number);
  };
  await write(0);
  showError(replaceForEver());
}

/** @returns the content of the record; undefined if it is missing */
export function readNumber(of: DiskName): Promise<number | undefined> {
  return withDisk(of, async (disk) => {
    const bytes = await readRecord(disk, RECORD);
    return bytes && Number(decodeLatin1(bytes));
  });
}

/**
 * @returns what becomes of a disk whose database another tab takes to a newer version, and of one opened
 * afterwards
 */
export async function supersede(of: DiskName): Promise<string[]> {
  const disk = await openDisk(of);
  await disk.write('file', 0, new Uint8Array(1));
  await disk.sync('file');
  await new Promise((resolve) => {
    const opening = indexedDB.open(of.name, 2);
    opening.onsuccess = resolve;
  });
  return [
    await codeOf(disk.size('file')),
    await codeOf(disk.write('file', 0, new Uint8Array(1))),
    await tryToOpen(of),
  ];
}

export function listAll(of: DiskName): Promise<string[]> {
  return withDisk(of, (disk) => disk.list(''));
}

export async function refuseUnsafe(of: DiskName): Promise<string[]> {
  return withDisk(of, codesOfUnsafe);
}

/** Downloads a model and installs it. */
export async function install(of: DiskName, origin: string): Promise<void> {
  const files = await downloadFolder(`${origin}/model`);
  await withDisk(of, (disk) => installSlots(slotsOn(disk), openMemoryFiles(files), [...files.keys()]));
}

/** @returns what became of installing the model */
export function tryToInstall(of: DiskName, origin: string): Promise<string> {
  return codeOf(install(of, origin));
}

/** @returns what became of an update: `fine`, or the code of the refusal */
export async function update(of: DiskName, payload: string, names: Names): Promise<string> {
  return withStorage(of, (storage) => codeOf(applyTo(storage, payload, names)));
}

/** @returns what became of confirming, or of rolling back */
export async function end(of: DiskName, how: 'confirm' | 'rollback'): Promise<string> {
  return withStorage(of, (storage) => codeOf(storage[how]()));
}

/** @returns how the model is after a recovery, which waits for a lock that a closing page still has */
export async function recover(of: DiskName): Promise<State> {
  return withStorage(of, async (storage) => {
    for (let tries = 0; ; tries++) {
      const code = await codeOf(storage.recover());
      if (code === 'fine') break;
      if (code !== 'locked' || tries === 100) throw new Error(`Cannot recover: ${code}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { status: await storage.recover(), fingerprint: await fingerprintOf(storage) };
  });
}

/** @returns the fingerprint of the model, read next to whatever else goes on */
export async function look(of: DiskName): Promise<string> {
  return withStorage(of, fingerprintOf);
}

/** Begins to update the model and to roll it back, for ever. */
export function startUpdates(of: DiskName, payload: string, names: Names): void {
  showError(updateForEver(of, payload, names));
}

/** What goes on for ever ends by an error alone, unless its page ends. */
function showError(endless: Promise<void>): void {
  endless.catch((error) => {
    if (typeof document === 'object') document.title = String(error);
    else throw error;
  });
}

async function updateForEver(of: DiskName, payload: string, names: Names): Promise<void> {
  const bytes = await download(payload);
  const storage = storageOn(await openDisk(of), of);
  for (;;) {
    await storage.update(async (store) => void (await applyPayload(store, bytes)), names);
    // Long enough to be met on trial now and then.
    await new Promise((resolve) => setTimeout(resolve, 150));
    await storage.rollback();
  }
}

/** Begins an update that goes on when `finishUpdate` is called. */
export async function beginUpdate(of: DiskName, payload: string, names: Names): Promise<void> {
  const bytes = await download(payload);
  const [begun, going] = [createSignal(), createSignal()];
  const ended = withStorage(of, (storage) =>
    codeOf(
      storage.update(async (store) => {
        await applyPayload(store, bytes);
        begun.give();
        await going.given;
      }, names),
    ),
  );
  waiting.set(of.name, () => {
    going.give();
    return ended;
  });
  await begun.given;
}

export function finishUpdate(of: DiskName): Promise<string> | undefined {
  return waiting.get(of.name)?.();
}

const waiting = new Map<string, () => Promise<string>>();

function createSignal(): { given: Promise<void>; give: () => void } {
  let give = (): void => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give: () => give() };
}

function slotsOn(disk: BrowserDisk): SlotOptions {
  return { disk, folder: 'model', openModel: openLayersStore };
}

async function withDisk<T>(of: DiskName, act: (disk: BrowserDisk) => Promise<T> | T): Promise<T> {
  const disk = await openDisk(of);
  try {
    return await act(disk);
  } finally {
    await disk.close();
  }
}

function withStorage<T>(of: DiskName, act: (storage: ModelStorage) => Promise<T>): Promise<T> {
  return withDisk(of, (disk) => act(storageOn(disk, of)));
}

/** In place, the model is the first of two copies, and the only one that changes. */
function storageOn(disk: BrowserDisk, { inPlace = false }: DiskName): ModelStorage {
  const slots = slotsOn(disk);
  return inPlace ? openInPlace({ ...slots, folder: 'model/a', journal: 'journal' }) : openSlots(slots);
}

async function applyTo(storage: ModelStorage, payload: string, names: Names): Promise<void> {
  const bytes = await download(payload);
  await storage.update(async (store) => void (await applyPayload(store, bytes)), names);
}
