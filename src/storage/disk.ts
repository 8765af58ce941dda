import { concatBytes, equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { checkInside, type ModelFiles } from '../model/model-files.js';
import type { ByteSource } from '../payload/byte-source.js';
import { xxh64 } from '../payload/checksum.js';

/**
 * Files that outlive a power cut once they are synced: what safe storage asks of a platform, and no more than every
 * platform has. Paths are relative, with `/` between segments; folders come and go with the files in them.
 *
 * Writes become durable in any order, in part or not at all, until `sync` returns; so do names until `syncNames` does.
 */
export interface Disk {
  /** @returns the file's size in bytes; undefined where there is no such file */
  size(path: string): Promise<number | undefined>;
  /** Fills all of `target` from `offset` on. */
  readInto(path: string, offset: number, target: Uint8Array): Promise<void>;
  /** Writes bytes, making the file, or making it longer, as needed. */
  write(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes what was written to a file durable, though not its name. */
  sync(path: string): Promise<void>;
  /** Gives a file another name, in place of a file that has it: whoever looks finds the one or the other. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; nothing where there is none. */
  remove(path: string): Promise<void>;
  /** @returns the paths of all files below a folder; none where there is no such folder */
  list(folder: string): Promise<string[]>;
  /** Opens a file whose bytes are to be had at once, without waiting, where the platform can; it must not be written. */
  openSource?(path: string): Promise<ByteSource & { close(): void }>;
  /** @returns the bytes that may still be written, where the platform says */
  freeBytes?(): Promise<number>;
  /** Makes the names in a folder durable; `''` is the outermost one. */
  syncDirectory(folder: string): Promise<void>;
  /**
   * Runs something while nobody else, in this process or another one, runs anything under the same name.
   *
   * @throws NeuralDiffError `locked` where somebody does
   */
  withLock<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** @returns the folder that a path lies in; `''` for the outermost one */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** A file as a source of bytes: close it. */
export type OpenSource = Awaited<ReturnType<NonNullable<Disk['openSource']>>>;

/** Where on a disk a model's files are: names as a container has them, below a folder; `''` is the outermost. */
export interface ModelPlace {
  readonly disk: Disk;
  readonly folder: string;
}

/** @returns the path on the disk of a file that a container names */
export function pathIn({ folder }: ModelPlace, name: string): string {
  return folder === '' ? checkInside(name) : `${folder}/${checkInside(name)}`;
}

/**
 * Opens a model's files on a disk, for reading and, until they are closed, for writing.
 *
 * @param place the disk, and the folder of the files on it; `''` is the outermost one
 */
export function filesOnDisk(place: { readonly disk: Disk; readonly folder: string }): ModelFiles {
  const { disk } = place;
  const written = new Set<string>();
  let isClosed = false;
  return {
    size: (name) => sizeOf(disk, pathIn(place, name)),
    readInto: (name, offset, target) => disk.readInto(pathIn(place, name), offset, target),
    async write(name, offset, bytes) {
      const path = pathIn(place, name);
      if (isClosed) throw ended();
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

/** @returns what whoever writes too late gets */
export function ended(): RangeError {
  return new RangeError('Cannot write to the model: its store is closed, or its update has ended');
}

/** @returns the files, which are neither read nor written once a signal has fired: whoever tries gets its reason */
export function stoppable(files: ModelFiles, signal: AbortSignal | undefined): ModelFiles {
  if (signal === undefined) return files;
  return {
    size: (name) => files.size(name),
    async readInto(name, offset, target) {
      signal.throwIfAborted();
      await files.readInto(name, offset, target);
    },
    async write(name, offset, bytes) {
      signal.throwIfAborted();
      await files.write(name, offset, bytes);
    },
    flush: () => files.flush(),
    close: () => files.close(),
  };
}

/**
 * @returns the size of a file that must be there
 * @throws NeuralDiffError `file-not-found`
 */
export async function sizeOf(disk: Disk, path: string): Promise<number> {
  const size = await disk.size(path);
  if (size !== undefined) return size;
  throw new NeuralDiffError('file-not-found', `Cannot open "${path}": there is no such file`);
}

/** Bytes of the checksum at a record's end. */
const CHECKSUM_BYTES = 8;

/** Most bytes of a record. */
const MAX_RECORD_BYTES = 2 ** 24;

/**
 * Reads a small file that `writeRecord` wrote.
 *
 * @returns its content; undefined where there is none
 * @throws NeuralDiffError `storage-mismatch` for one that was not written so
 */
export async function readRecord(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  const size = await disk.size(path);
  if (size === undefined) return undefined;
  if (size < CHECKSUM_BYTES || size > MAX_RECORD_BYTES) throw damaged(path);
  const bytes = new Uint8Array(size);
  await disk.readInto(path, 0, bytes);
  const content = bytes.subarray(0, size - CHECKSUM_BYTES);
  if (!equalBytes(await xxh64(content), bytes.subarray(content.length))) throw damaged(path);
  return content;
}

/** Writes a small file whole or not at all, whatever was there before; it is durable when the promise settles. */
export async function writeRecord(disk: Disk, path: string, content: Uint8Array): Promise<void> {
  const staged = `${path}.new`;
  await disk.remove(staged);
  await disk.write(staged, 0, concatBytes([content, await xxh64(content)]));
  await disk.sync(staged);
  await disk.rename(staged, path);
  await disk.syncDirectory(folderOf(path));
}

/** Removes a record; it is gone for good when the promise settles. */
export async function removeRecord(disk: Disk, path: string): Promise<void> {
  await disk.remove(path);
  await disk.syncDirectory(folderOf(path));
}

function damaged(path: string): NeuralDiffError {
  return new NeuralDiffError('storage-mismatch', `Cannot trust "${path}": it is not what was written`);
}
