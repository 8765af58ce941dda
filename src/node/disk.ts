import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import { checkInside } from '../model/model-files.js';
import { type Disk, folderOf } from '../storage/disk.js';
import { withFileErrors } from './file-errors.js';
import { openInside, readFully, writeFully } from './folder.js';
import { lockFile } from './lock-file.js';
import { openFileSource } from './read-payload.js';

/** A disk that holds files open: close it. */
export interface NodeDisk extends Disk {
  close(): Promise<void>;
}

/**
 * Opens a folder as a disk. Files are held open from their first use on; one whose real path lies outside the folder (a
 * symbolic link) is refused with `unsafe-path`.
 *
 * @param root the folder; it must exist
 */
export function openNodeDisk(root: string): NodeDisk {
  const placeOf = (path: string): string => (path === '' ? root : join(root, checkInside(path)));
  /** Of locks that are held: a process that stood still may have lost one, and must not go on to write. */
  const checks = new Set<() => Promise<void>>();
  const run = <T>(doing: string, path: string, act: (place: string) => Promise<T>): Promise<T> =>
    withFileErrors(`Cannot ${doing} "${path}"`, async () => {
      for (const check of checks) await check();
      return act(placeOf(path));
    });
  const { handleOf, forget, paths } = createHandles(root, placeOf);
  return {
    size: (path) =>
      run('read', path, async (place) => {
        await checkLinks(root, `${path}/`);
        return sizeOf(place);
      }),
    readInto: (path, offset, target) =>
      run('read', path, async () => readFully(await handleOf(path), { path, offset, target })),
    write: (path, offset, bytes) =>
      run('write', path, async () => writeFully(await handleOf(path, true), offset, bytes)),
    sync: (path) => run('write', path, async () => (await handleOf(path)).sync()),
    rename: (from, to) =>
      run('rename', from, async (place) => {
        const target = placeOf(to);
        await checkLinks(root, from);
        for (const path of [from, to]) await forget(path);
        await makeFolderOf(root, to);
        await rename(place, target);
      }),
    remove: (path) =>
      run('remove', path, async (place) => {
        await checkLinks(root, path);
        await forget(path);
        await rm(place, { force: true });
      }),
    openSource: (path) =>
      run('read', path, async (place) => {
        await checkLinks(root, `${path}/`);
        return openFileSource(place);
      }),
    list: (folder) =>
      run('list', folder, async (place) => {
        await checkLinks(root, `${folder}/`);
        return listBelow(place, folder);
      }),
    syncDirectory: (folder) =>
      run('write', folder, async () => {
        for (const each of withParents(folder)) await syncFolder(placeOf(each));
      }),
    async withLock(name, act) {
      await run('lock', name, () => makeFolderOf(root, name));
      return lockFile(`${placeOf(name)}.lock`, (check) => {
        checks.add(check);
        return act().finally(() => checks.delete(check));
      });
    },
    freeBytes: () =>
      run('read', '', async (place) => {
        const { bavail, bsize } = await statfs(place);
        return bavail * bsize;
      }),
    async close() {
      for (const path of paths()) await forget(path);
    },
  };
}

/** Files that are held open by their paths. */
function createHandles(root: string, placeOf: (path: string) => string) {
  const handles = new Map<string, Promise<FileHandle>>();
  const forget = async (path: string): Promise<void> => {
    const handle = handles.get(path);
    handles.delete(path);
    await (await handle)?.close();
  };
  const handleOf = async (path: string, make = false): Promise<FileHandle> => {
    const known = handles.get(path);
    if (known && (await isAt(await known, placeOf(path)))) return known;
    // Another process may have put another file in its place.
    if (known && handles.get(path) === known) await forget(path);
    const opened = handles.get(path) ?? openFile(root, path, make);
    handles.set(path, opened);
    opened.catch(() => handles.delete(path));
    return opened;
  };
  return { handleOf, forget, paths: () => [...handles.keys()] };
}

/** `make` also makes the folders above. */
async function openFile(root: string, path: string, make: boolean): Promise<FileHandle> {
  try {
    return await openInside(await realpath(root), path, 'r+');
  } catch (error) {
    if (!make || !(error instanceof NeuralDiffError && error.code === 'file-not-found')) throw error;
  }
  const place = join(root, path);
  await makeFolderOf(root, path);
  return open(place, 'wx+');
}

async function makeFolderOf(root: string, path: string): Promise<void> {
  await checkLinks(root, path);
  await mkdir(dirname(join(root, path)), { recursive: true });
}

/** Refuses a path on which a folder is a link that leads outside. */
async function checkLinks(root: string, path: string): Promise<void> {
  const real = await realpath(root);
  const names = path.split('/').slice(0, -1);
  for (let i = 1; i <= names.length; i++) {
    const found = await realpath(join(root, ...names.slice(0, i))).catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (found === undefined) return;
    if (found === real || found.startsWith(real.endsWith(sep) ? real : real + sep)) continue;
    throw new NeuralDiffError('unsafe-path', `Cannot open "${path}": it leads outside the model's folder`);
  }
}

/** @returns whether an open file is still the one of that name */
async function isAt(file: FileHandle, place: string): Promise<boolean> {
  const [held, found] = [await file.stat(), await stat(place).catch(() => undefined)];
  return found !== undefined && held.ino === found.ino && held.dev === found.dev;
}

async function sizeOf(place: string): Promise<number | undefined> {
  try {
    const found = await stat(place);
    if (found.isFile()) return found.size;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
  throw new NeuralDiffError('file-unreadable', `Cannot read "${place}": it is not a file`);
}

async function listBelow(place: string, folder: string): Promise<string[]> {
  const entries = await readdir(place, { withFileTypes: true }).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const start = folder === '' ? '' : `${folder}/`;
  const paths: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) paths.push(...(await listBelow(join(place, entry.name), start + entry.name)));
    else paths.push(start + entry.name);
  }
  return paths.sort();
}

/** Folders come with their files: their own names are made durable too. */
function withParents(folder: string): string[] {
  return folder === '' ? [''] : [folder, ...withParents(folderOf(folder))];
}

/** A folder that is not there has no names to keep. */
async function syncFolder(place: string): Promise<void> {
  const folder = await open(place, 'r').catch((error) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  try {
    await folder?.sync();
  } catch (error) {
    // Windows keeps names by itself, and refuses.
    if (process.platform !== 'win32') throw error;
  } finally {
    await folder?.close();
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code as string);
}
