import { NeuralDiffError } from '../model/errors.js';
import { checkInside } from '../model/model-files.js';
import { checkReadLength, createQueue, type Disk, folderOf, noFile, sizeOf } from './disk.js';

/**
 * Files of a platform below one folder, with no more than any file library has: `expo-file-system`, for
 * example. Paths are relative, with `/` between segments. Methods may return promises or not; errors may be
 * of any kind.
 */
export interface PlainFiles {
  /** @returns the size of a file in bytes; `folder` for a folder; undefined where there is nothing */
  size(path: string): number | 'folder' | undefined | Promise<number | 'folder' | undefined>;
  /** @returns as many bytes of an existing file as there are, up to the length */
  read(path: string, offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Writes bytes at an offset up to the file's end; creates the file in an existing folder. */
  write(path: string, offset: number, bytes: Uint8Array): unknown;
  /** Moves a file; nothing is at the target, and its folder exists. */
  move(from: string, to: string): unknown;
  /** Removes an existing file. */
  remove(path: string): unknown;
  /** Makes a folder and those above it; may be called for one that exists. */
  makeFolder(path: string): unknown;
  /** @returns what lies directly in a folder, `''` for the first one; nothing for a missing folder */
  list(
    path: string,
  ):
    | readonly { readonly name: string; readonly isFolder: boolean }[]
    | Promise<readonly { readonly name: string; readonly isFolder: boolean }[]>;
  /** Makes a file's content durable, where the platform can. */
  sync?(path: string): unknown;
  /** @returns the free space in bytes */
  freeBytes?(): number | undefined | Promise<number | undefined>;
}

/** Suffix of a file that is about to replace the one without it. */
const SWAP_SUFFIX = '.crswap';

/** Bytes of zeros that are written at once into a gap. */
const ZERO_BYTES = 2 ** 18;

/** Messages of platforms for a full disk. */
const NO_SPACE = /ENOSPC|no space|not enough space|out of space|disk.*full|NSFileWriteOutOfSpace/i;

/** Locks that this program holds, by disk and lock. */
const held = new Set<string>();

/**
 * Opens the files of a platform as a disk, for apps on phones (React Native, Expo, Capacitor).
 *
 * A file is replaced in three steps: it moves to `NAME.crswap`, the old one is removed, the new one gets its
 * name. If the app ends between them, the next opening completes them. So an app that is killed at any moment
 * finds files whole. What survives a power loss is the platform's matter: few libraries of files can sync.
 *
 * @param files the files; nothing else may write them
 * @param options `name` tells the disk from others: locks exclude all disks of this name in this program. One
 *   program owns the folder; other processes are not excluded.
 * @throws NeuralDiffError `file-unreadable`, `no-space`
 */
export async function openFileDisk(files: PlainFiles, { name }: { readonly name: string }): Promise<Disk> {
  const disk = new FileDisk(files);
  const queue = createQueue();
  const run = <T>(action: string, path: string, operation: () => Promise<T>): Promise<T> =>
    queue(async () => {
      if (path !== '') checkInside(path);
      return withFileErrors(`Cannot ${action} "${path}"`, async () => {
        await disk.settle();
        return operation();
      });
    });
  await run('open', '', () => disk.findSwaps(''));
  return {
    size: (path) => run('read', path, () => disk.size(path)),
    readInto: (path, offset, target) => run('read', path, () => disk.readInto(path, offset, target)),
    write: (path, offset, bytes) => run('write', path, () => disk.write(path, offset, bytes)),
    sync: (path) => run('write', path, () => disk.sync(path)),
    rename: (from, to) => run('rename', from, () => disk.rename(from, checkInside(to))),
    remove: (path) => run('remove', path, () => disk.remove(path)),
    list: (folder) => run('list', folder, async () => (await disk.list(folder)).sort()),
    // Names are durable when the platform makes them so.
    syncDirectory: async () => {},
    withLock: async (lock, operation) => withOwnLock(`${name}/${checkInside(lock)}`, operation),
    ...(files.freeBytes && { freeBytes: async () => files.freeBytes?.() }),
  };
}

/** What a disk does with files; operations must be serialised. */
class FileDisk {
  readonly #files: PlainFiles;
  /** Files whose replacement has begun. */
  readonly #unsettled = new Set<string>();

  constructor(files: PlainFiles) {
    this.#files = files;
  }

  /** Finds replacements that another start of the program began. */
  async findSwaps(folder: string): Promise<void> {
    for (const path of await this.#listAll(folder))
      if (path.endsWith(SWAP_SUFFIX)) this.#unsettled.add(path.slice(0, -SWAP_SUFFIX.length));
    await this.settle();
  }

  /** Completes replacements that have begun. */
  async settle(): Promise<void> {
    for (const path of this.#unsettled) {
      const swap = path + SWAP_SUFFIX;
      // Without it, the last step was done before its error.
      if ((await this.size(swap)) !== undefined) {
        if ((await this.size(path)) !== undefined) await this.#files.remove(path);
        await this.#files.move(swap, path);
      }
      this.#unsettled.delete(path);
    }
  }

  async size(path: string): Promise<number | undefined> {
    const size = await this.#files.size(path);
    if (size === 'folder') throw noFile(path);
    return size;
  }

  async readInto(path: string, offset: number, target: Uint8Array): Promise<void> {
    const expected = target.length;
    const found = Math.min(expected, (await sizeOf(this, path)) - offset);
    checkReadLength(path, { offset, expected, found });
    for (let at = 0; at < expected; ) {
      const part = await this.#files.read(path, offset + at, expected - at);
      if (part.length === 0) checkReadLength(path, { offset, expected, found: at });
      target.set(part, at);
      at += part.length;
    }
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const size = await this.size(path);
    if (size === undefined) await this.#files.makeFolder(folderOf(path));
    else if (bytes.length === 0) return;
    const end = bytes.length === 0 ? 0 : offset;
    // What platforms put into a gap behind a file's end is not known.
    for (let at = size ?? 0; at < end; at += ZERO_BYTES)
      await this.#files.write(path, at, new Uint8Array(Math.min(ZERO_BYTES, end - at)));
    await this.#files.write(path, end, bytes);
  }

  async sync(path: string): Promise<void> {
    await sizeOf(this, path);
    await this.#files.sync?.(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await sizeOf(this, from);
    if (from === to) return;
    await this.#files.makeFolder(folderOf(to));
    if ((await this.size(to)) === undefined) return void (await this.#files.move(from, to));
    this.#unsettled.add(to);
    await this.#files.move(from, to + SWAP_SUFFIX);
    await this.settle();
  }

  async remove(path: string): Promise<void> {
    if ((await this.size(path)) !== undefined) await this.#files.remove(path);
  }

  /** Lists the files below a folder. */
  async list(folder: string): Promise<string[]> {
    if (folder !== '' && (await this.#files.size(folder)) !== 'folder') return [];
    return this.#listAll(folder);
  }

  async #listAll(folder: string): Promise<string[]> {
    const found: string[] = [];
    for (const { name, isFolder } of await this.#files.list(folder)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (isFolder) found.push(...(await this.#listAll(path)));
      else found.push(path);
    }
    return found;
  }
}

async function withOwnLock<T>(name: string, run: () => Promise<T>): Promise<T> {
  if (held.has(name))
    throw new NeuralDiffError('locked', `Cannot lock "${name}": another part of this program holds it`);
  held.add(name);
  try {
    return await run();
  } finally {
    held.delete(name);
  }
}

/** @throws NeuralDiffError `no-space` or `file-unreadable` for errors of the platform */
async function withFileErrors<T>(prefix: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (cause instanceof NeuralDiffError || cause instanceof RangeError) throw cause;
    const { message = String(cause), code } = cause as { message?: string; code?: unknown };
    const isFull = NO_SPACE.test(`${code} ${message}`);
    throw new NeuralDiffError(isFull ? 'no-space' : 'file-unreadable', `${prefix}: ${message}`, { cause });
  }
}
