import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Makes a small file that has its text from its first moment, so that whoever is killed on the way leaves none without: a draft is
 * written and given the name. Where the disk is full, or the file system gives no second names, the name comes first, and the text
 * behind it if it can.
 *
 * @returns the file, open; undefined where the name is taken
 */
export async function createWhole(path: string, text: string): Promise<FileHandle | undefined> {
  const draft = `${path}.${process.pid}.${randomUUID().slice(0, 8)}`;
  const file = await write(draft, text);
  if (file === undefined) return createPlain(path, text);
  try {
    await link(draft, path);
    return file;
  } catch (error) {
    await file.close();
    if (isTaken(error)) return undefined;
    return await createPlain(path, text);
  } finally {
    await rm(draft, { force: true });
  }
}

async function write(path: string, text: string): Promise<FileHandle | undefined> {
  const file = await open(path, 'wx').catch(() => undefined);
  try {
    await file?.writeFile(text);
    return file;
  } catch {
    await file?.close();
    await rm(path, { force: true });
    return undefined;
  }
}

async function createPlain(path: string, text: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, 'wx');
    // On a full disk the name must do.
    await file.writeFile(text).catch(() => undefined);
    return file;
  } catch (error) {
    if (isTaken(error)) return undefined;
    throw error;
  }
}

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

/** Removes the drafts that processes left which were killed. @param isRunning whether there is a process of a number */
export async function removeDrafts(path: string, isRunning: (pid: number) => boolean): Promise<void> {
  const folder = dirname(path);
  const start = `${basename(path)}.`;
  for (const name of await readdir(folder)) {
    const [, pid] = name.startsWith(start)
      ? (/^(\d+)\.[0-9a-f]{8}$/.exec(name.slice(start.length)) ?? [])
      : [];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
  }
}
