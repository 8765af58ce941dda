import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MetadataStore } from 'neural-diff/updater';

/** Name of the newest trusted root; it replaces the one that the client was set up with. */
const ROOT = 'root.json';

/** @returns the root that a folder trusts. @throws Error for a folder without one */
export function readRoot(folder: string): Promise<Uint8Array> {
  return readFile(join(folder, ROOT));
}

/** Makes a folder trust a root, without a check. */
export function writeRoot(folder: string, bytes: Uint8Array): Promise<void> {
  return replaceFile(join(folder, ROOT), bytes);
}

/** Keeps the trusted metadata in a folder, byte for byte, one file a role. */
export function openMetadataFolder(folder: string): MetadataStore {
  const pathOf = (name: string): string => join(folder, name);
  // Each root replaces the one before; there is no chain to read again.
  const isRoot = (name: string): boolean => name.endsWith(`.${ROOT}`);
  return {
    read: async (name) => (isRoot(name) ? undefined : await readIfPresent(pathOf(name))),
    write: (name, bytes) => replaceFile(pathOf(isRoot(name) ? ROOT : name), bytes),
    remove: (name) => rm(pathOf(name), { force: true }),
  };
}

/** Replaces a file: readers find the old content or the new one. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, bytes, { flush: true });
  await rename(temporary, path);
}

/** @returns a file; undefined for a missing one */
export async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
