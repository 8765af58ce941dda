import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { withFileErrors } from './file-errors.js';

/**
 * Opens a folder on disk. Files are opened when first used and held until `close`.
 *
 * @param folder path of the folder
 * @returns the folder; a file whose real path lies outside it (a symbolic link) is refused with `unsafe-path`
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function openFolder(
  folder: string,
  options: { readonly writable?: boolean } = {},
): Promise<ModelFiles> {
  const root = await withFileErrors(`Cannot open folder "${folder}"`, () => realpath(folder));
  const handles = new Map<string, Promise<FileHandle>>();
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
      await withFileErrors(`Cannot write "${path}"`, async () =>
        writeFully(await handle(path), offset, bytes),
      );
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
 * @throws NeuralDiffError `unsafe-path` where the file's own lies outside, `file-not-found`, `file-unreadable`
 */
export async function openInside(root: string, path: string, flags: string): Promise<FileHandle> {
  return withFileErrors(`Cannot open "${path}"`, async () => {
    const real = await realpath(join(root, path));
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) {
      throw new NeuralDiffError('unsafe-path', `Cannot open "${path}": it leads outside the model's folder`);
    }
    if (!(await stat(real)).isFile()) {
      throw new NeuralDiffError('file-unreadable', `Cannot open "${path}": it is not a file`);
    }
    return open(real, flags);
  });
}

/**
 * Fills all of `target` from a file.
 *
 * @throws NeuralDiffError `file-unreadable` where the file is shorter
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

/** Writes all of some bytes into a file. */
export async function writeFully(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

/**
 * Lists files of a folder, not those of folders in it.
 *
 * @param ending what their names end with
 * @returns names in the order of their characters
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function listFiles(folder: string, ending: string): Promise<string[]> {
  return withFileErrors(`Cannot list "${folder}"`, async () => {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    return names.filter((name) => name.endsWith(ending)).sort();
  });
}
