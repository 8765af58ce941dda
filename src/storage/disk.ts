import { throwIfAborted } from '../model/abort.js';
import { concatBytes, equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { checkInside, type ModelFiles } from '../model/model-files.js';
import type { ByteSource } from '../payload/byte-source.js';
import { xxh64 } from '../payload/checksum.js';

/**
 * Files that survive a power loss once they are synced: the minimal interface that safe storage needs from a
 * platform.
 *
 * Paths are relative, with `/` between segments; folders exist implicitly. Until `sync` returns, writes may
 * become durable in any order, partly or not at all; the same applies to names until `syncDirectory` returns.
 */
export interface Disk {
  /**
   * @returns the file's size in bytes; undefined if missing
   * @throws NeuralDiffError `file-unreadable` with the fact `isFile: false` for a folder, a pipe or a device
   */
  size(path: string): Promise<number | undefined>;
  /** Fills all of `target` from `offset` on. */
  readInto(path: string, offset: number, target: Uint8Array): Promise<void>;
  /** Writes bytes, creating or extending the file as needed. */
  write(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes a file's content durable, but not its name. */
  sync(path: string): Promise<void>;
  /** Renames a file atomically, replacing any file at the target. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; does nothing for a missing file. */
  remove(path: string): Promise<void>;
  /** @returns the paths of all files below a folder; empty for a missing folder */
  list(folder: string): Promise<string[]>;
  /** Opens a file for synchronous reads, where supported; the file must not be written meanwhile. */
  openSource?(path: string): Promise<ByteSource & { close(): void }>;
  /** @returns the free space in bytes; undefined where unknown */
  freeBytes?(): Promise<number | undefined>;
  /** Makes the names in a folder durable; `''` is the root. */
  syncDirectory(folder: string): Promise<void>;
  /**
   * Runs an operation while holding a named lock that excludes this and other processes.
   *
   * @throws NeuralDiffError `locked` if the lock is taken
   */
  withLock<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** @returns the parent folder of a path; `''` for the root */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** A file as a source of bytes; it must be closed. */
export type OpenSource = Awaited<ReturnType<NonNullable<Disk['openSource']>>>;

/** The location of a model's files. */
export interface ModelLocation {
  readonly disk: Disk;
  /** Folder on the disk that contains the files; `''` is the root. */
  readonly folder: string;
}

/** @returns the path on the disk of a file name in a container */
export function pathIn({ folder }: ModelLocation, name: string): string {
  return folder === '' ? checkInside(name) : `${folder}/${checkInside(name)}`;
}

/**
 * Opens a model's files on a disk. Writes go to the files in place and fail after `close`.
 *
 * @param location the disk and the folder of the files on it; `''` is the root
 */
export function filesOnDisk(location: { readonly disk: Disk; readonly folder: string }): ModelFiles {
  const { disk } = location;
  const written = new Set<string>();
  let isClosed = false;
  return {
    size: (name) => sizeOf(disk, pathIn(location, name)),
    readInto: (name, offset, target) => disk.readInto(pathIn(location, name), offset, target),
    async write(name, offset, bytes) {
      const path = pathIn(location, name);
      if (isClosed) throw closedStore();
      written.add(path);
      await disk.write(path, offset, bytes);
    },
    async flush() {
      for (const path of written) await disk.sync(path);
      written.clear();
    },
    async close() {
      isClosed = true;
    },
  };
}

/** @returns the error for a write after the end of an update */
export function closedStore(): RangeError {
  return new RangeError('Cannot write to the model: its store is closed or its update has ended');
}

/** @returns the files with reads and writes that throw a signal's reason once it is aborted */
export function withSignal(files: ModelFiles, signal: AbortSignal | undefined): ModelFiles {
  if (signal === undefined) return files;
  return {
    size: (name) => files.size(name),
    async readInto(name, offset, target) {
      throwIfAborted(signal);
      await files.readInto(name, offset, target);
    },
    reserve: async (writes) => files.reserve?.(writes),
    async write(name, offset, bytes) {
      throwIfAborted(signal);
      await files.write(name, offset, bytes);
    },
    flush: () => files.flush(),
    close: () => files.close(),
  };
}

/**
 * @returns the size of an existing file
 * @throws NeuralDiffError `file-not-found`
 */
export async function sizeOf(disk: Pick<Disk, 'size'>, path: string): Promise<number> {
  const size = await disk.size(path);
  if (size === undefined) throw noSuchFile(path);
  return size;
}

/** @throws NeuralDiffError `file-unreadable` if a read returned fewer bytes than requested */
export function checkReadLength(
  path: string,
  range: { offset: number; expected: number; found: number },
): void {
  const { offset, expected, found } = range;
  if (found === expected) return;
  const message = `Cannot read "${path}": expected ${expected} bytes at ${offset}, got ${found}`;
  throw new NeuralDiffError('file-unreadable', message);
}

/** @returns the error for a path without a file */
export function noSuchFile(path: string): NeuralDiffError {
  return new NeuralDiffError('file-not-found', `Cannot open "${path}": no such file`);
}

/** Runs operations sequentially, in the order of the calls. */
type Queue = <T>(operation: () => Promise<T>) => Promise<T>;

/** @returns an empty queue */
export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (operation) => {
    const result = last.then(operation);
    last = result.catch(() => undefined);
    return result;
  };
}

/**
 * Checks the free space before a write, where the disk knows it.
 *
 * @throws NeuralDiffError `no-space` with the facts `needed` and `free`, in bytes
 */
export async function checkFree(
  disk: Pick<Disk, 'freeBytes'>,
  needed: number,
  action: string,
): Promise<void> {
  const free = await disk.freeBytes?.();
  if (free === undefined || free >= needed) return;
  const message = `Cannot ${action}: expected ${needed} free bytes on the disk, got ${free}; free some and try again`;
  throw new NeuralDiffError('no-space', message, { facts: { needed, free } });
}

/** Bytes of the checksum at a record's end. */
const CHECKSUM_BYTES = 8;

/** Maximum bytes of a record. */
const MAX_RECORD_BYTES = 2 ** 24;

/**
 * Reads a small file written by `writeRecord`, which another program may replace meanwhile.
 *
 * @returns the content; undefined for a missing file
 * @throws NeuralDiffError `storage-mismatch` for a damaged file
 */
export async function readRecord(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  for (let tries = 1; ; tries++) {
    const size = await disk.size(path);
    if (size === undefined) return undefined;
    try {
      return await readSealed(disk, path, size);
    } catch (error) {
      // Between its size and its content the file may have been replaced.
      if (tries === MAX_READS || (await disk.size(path)) === size) throw error;
    }
  }
}

/** Attempts to read a record that is replaced each time. */
const MAX_READS = 10;

async function readSealed(disk: Disk, path: string, size: number): Promise<Uint8Array> {
  if (size < CHECKSUM_BYTES || size > MAX_RECORD_BYTES) throw damaged(path);
  const bytes = new Uint8Array(size);
  await disk.readInto(path, 0, bytes);
  const content = bytes.subarray(0, size - CHECKSUM_BYTES);
  if (!equalBytes(await xxh64(content), bytes.subarray(content.length))) throw damaged(path);
  return content;
}

/**
 * Writes or replaces a small file atomically; it is durable when the promise settles. A folder in the place
 * of its draft, `PATH.new`, is moved aside.
 */
export async function writeRecord(disk: Disk, path: string, content: Uint8Array): Promise<void> {
  const staged = `${path}.new`;
  await clear(disk, staged);
  await disk.write(staged, 0, concatBytes([content, await xxh64(content)]));
  await disk.sync(staged);
  await disk.rename(staged, path);
  await disk.syncDirectory(folderOf(path));
}

async function clear(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    const found = await disk.size(path).catch((why) => why);
    if (!isNoFile(found)) throw error;
    await moveAside(disk, path, '.damaged');
  }
}

/**
 * Moves something aside, under a name that is free.
 *
 * @param path a file, or what is in its place
 * @param ending what follows the path in the new name; a number follows it where the name is taken
 * @returns the new path; it is durable when the promise settles
 */
export async function moveAside(disk: Disk, path: string, ending: string): Promise<string> {
  let aside = path + ending;
  for (let i = 2; await isTaken(disk, aside); i++) aside = `${path}${ending}-${i}`;
  await disk.rename(path, aside);
  await disk.syncDirectory(folderOf(aside));
  return aside;
}

async function isTaken(disk: Disk, path: string): Promise<boolean> {
  try {
    return (await disk.size(path)) !== undefined;
  } catch (error) {
    if (isNoFile(error)) return true;
    throw error;
  }
}

/** @returns the error for a folder, a pipe or a device in the place of a file */
export function noFile(path: string): NeuralDiffError {
  const message = `Cannot read "${path}": it is not a file`;
  return new NeuralDiffError('file-unreadable', message, { facts: { isFile: false } });
}

/** @returns whether an error says that a path is a folder, a pipe or a device */
export function isNoFile(error: unknown): boolean {
  return error instanceof NeuralDiffError && error.facts.isFile === false;
}

/** Removes a record; the removal is durable when the promise settles. */
export async function removeRecord(disk: Disk, path: string): Promise<void> {
  await disk.remove(path);
  await disk.syncDirectory(folderOf(path));
}

function damaged(path: string): NeuralDiffError {
  return new NeuralDiffError('storage-mismatch', `Cannot read "${path}": the checksum does not match`);
}
