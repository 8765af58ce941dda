import { type FileHandle, lstat, open, readdir, realpath, stat, statfs } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { withFileErrors } from './file-errors.js';

/**
 * Opens a folder on disk. Files are opened on first use and closed by `close`.
 *
 * @param folder path of the folder
 * @returns the folder; a file whose real path is outside it (a symbolic link) is refused with `unsafe-path`,
 *   and so are writes through any link
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function openFolder(
  folder: string,
  options: { readonly writable?: boolean } = {},
): Promise<ModelFiles> {
  const root = await withFileErrors(`Cannot open folder "${folder}"`, () => realpath(folder));
  const handles = new Map<string, Promise<FileHandle>>();
  const written = new Set<string>();
  const handle = (path: string): Promise<FileHandle> => {
    const known = handles.get(path);
    if (known) return known;
    const opened = openInside(root, path, options.writable ? 'r+' : 'r');
    handles.set(path, opened);
    return opened;
  };
  return {
    async size(path) {
      return withFileErrors(`Cannot read "${path}"`, async () => (await (await handle(path)).stat()).size);
    },
    async readInto(path, offset, target) {
      await withFileErrors(`Cannot read "${path}"`, async () =>
        readFully(await handle(path), { path, offset, target }),
      );
    },
    async write(path, offset, bytes) {
      await withFileErrors(`Cannot write "${path}"`, async () => {
        if (!written.has(path)) await refuseLinks(root, path);
        written.add(path);
        await writeFully(await handle(path), offset, bytes);
      });
    },
    async flush() {
      if (!options.writable) return;
      for (const file of handles.values())
        await withFileErrors('Cannot flush', async () => (await file).sync());
    },
    async close() {
      const opened = await Promise.allSettled(handles.values());
      handles.clear();
      for (const file of opened) if (file.status === 'fulfilled') await file.value.close();
    },
  };
}

/**
 * Opens a file of a folder.
 *
 * @param root the folder's real path
 * @throws NeuralDiffError `unsafe-path` if the file's real path is outside, `file-not-found`,
 *   `file-unreadable`
 */
export async function openInside(root: string, path: string, flags: string): Promise<FileHandle> {
  return withFileErrors(`Cannot open "${path}"`, async () => open(await realPathInside(root, path), flags));
}

/**
 * Finds a file of a folder.
 *
 * @param root the folder's real path
 * @returns the file's real path
 * @throws NeuralDiffError `unsafe-path` if the file's real path is outside, `file-not-found`,
 *   `file-unreadable`
 */
export async function realPathInside(root: string, path: string): Promise<string> {
  return withFileErrors(`Cannot open "${path}"`, async () => {
    const real = await realpath(join(root, path));
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) {
      throw new NeuralDiffError(
        'unsafe-path',
        `Cannot open "${path}": expected a path inside the model's folder, got a link to outside`,
      );
    }
    if ((await stat(real)).isFile()) return real;
    throw new NeuralDiffError('file-unreadable', `Cannot open "${path}": it is not a file`);
  });
}

/**
 * Checks that no part of a path in a folder is a link, before a file is written in place: under two names a
 * file would have two locks and two journals.
 *
 * @throws NeuralDiffError `unsafe-path`
 */
export async function refuseLinks(root: string, path: string): Promise<void> {
  const names = path.split('/');
  for (let i = 1; i <= names.length; i++) {
    const part = names.slice(0, i).join('/');
    const found = await lstat(join(root, part)).catch((error) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (!found?.isSymbolicLink()) continue;
    const message = `Cannot write "${path}": "${part}" is a link; name the file that it leads to`;
    throw new NeuralDiffError('unsafe-path', message);
  }
}

/**
 * Fills all of `target` from a file.
 *
 * @throws NeuralDiffError `file-unreadable` for a shorter file
 */
export async function readFully(
  file: FileHandle,
  range: { path: string; offset: number; target: Uint8Array },
): Promise<void> {
  const { path, offset, target } = range;
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) {
      const message = `Cannot read "${path}": expected ${target.length} bytes at ${offset}, got ${done}`;
      throw new NeuralDiffError('file-unreadable', message);
    }
    done += bytesRead;
  }
}

/** Writes all bytes to a file. */
export async function writeFully(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

/**
 * Lists the files in a folder, not in its subfolders.
 *
 * @param ending suffix of the names
 * @returns sorted names
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function listFiles(folder: string, ending: string): Promise<string[]> {
  return withFileErrors(`Cannot list "${folder}"`, async () => {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    return names.filter((name) => name.endsWith(ending)).sort();
  });
}

/**
 * Makes the content of a file, or the names in a folder, durable.
 *
 * @throws the system's error
 */
export async function syncPath(path: string): Promise<void> {
  const opened = await open(path, 'r');
  try {
    await opened.sync();
  } catch (error) {
    // Windows does not support syncing folders, and does not need it.
    if (process.platform !== 'win32') throw error;
  } finally {
    await opened.close();
  }
}

/**
 * Makes a folder and everything in it durable, or a single file: first what is in a folder, then its names.
 *
 * @throws the system's error
 */
export async function syncTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOTDIR') return [];
    throw error;
  });
  for (const entry of entries) await syncTree(join(path, entry.name));
  await syncPath(path);
}

/** @returns the free space for files of a folder, in bytes */
export async function freeBytesIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
