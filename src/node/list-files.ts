import { readdir } from 'node:fs/promises';
import { withFileErrors } from './file-errors.js';

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
