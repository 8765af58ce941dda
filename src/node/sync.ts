import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

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
