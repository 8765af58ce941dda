import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileErrors } from './file-errors.js';
import { checkOutput, writeOutput } from './output.js';

/**
 * Lists a folder that is to be written into.
 *
 * @returns the names in it; none when it is not there yet
 * @throws NeuralDiffError `file-not-found` when the folder around it does not exist or it is a file, `file-unreadable`
 */
export async function listFolder(path: string): Promise<ReadonlySet<string>> {
  await checkOutput(path, { force: true });
  return withFileErrors(`Cannot write into "${path}"`, async () => {
    try {
      return new Set(await readdir(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set();
      throw error;
    }
  });
}

/**
 * Writes a file into a folder, which is made when it is not there, whole or not at all; replaces one of the same name.
 *
 * @throws NeuralDiffError `no-space`, `file-not-found`, `file-unreadable`
 */
export async function writeInto(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  await withFileErrors(`Cannot make "${folder}"`, async () => {
    await mkdir(folder).catch((error) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  });
  await writeOutput(join(folder, name), bytes, { force: true });
}

/**
 * Removes files of a folder that are there, and the folder when it is empty then.
 *
 * @param names in the folder itself
 * @throws NeuralDiffError `file-unreadable`
 */
export async function removeFrom(folder: string, names: readonly string[]): Promise<void> {
  await withFileErrors(`Cannot remove "${folder}"`, async () => {
    for (const name of names) await rm(join(folder, name), { force: true });
    await rmdir(folder).catch((error) => {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code)) throw error;
    });
  });
}
