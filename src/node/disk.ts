import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import { checkInside } from '../model/model-files.js';
import { type Disk, folderOf, noFile } from '../storage/disk.js';
import { withFileErrors } from './file-errors.js';
import { freeBytesIn, openInside, readFully, refuseLinks, syncPath, writeFully } from './folder.js';
import { lockFile } from './lock-file.js';
import { openFileSource } from './read-payload.js';

/** A disk with open files; it must be closed. */
export interface NodeDisk extends Disk {
  close(): Promise<void>;
}

/**
 * Opens a folder as a disk.
 *
 * Files stay open after their first use. A file whose real path is outside the folder (a symbolic link) is
 * refused with `unsafe-path`, and so are writes through any link.
 *
 * @param root the folder; it must exist
 */
export function openNodeDisk(root: string): NodeDisk {
  const systemPathOf = (path: string): string => (path === '' ? root : join(root, checkInside(path)));
  /** Checks of held locks: a suspended process may have lost a lock and must not continue to write. */
  const checks = new Set<() => Promise<void>>();
  const run = <T>(action: string, path: string, act: (systemPath: string) => Promise<T>): Promise<T> =>
    withFileErrors(`Cannot ${action} "${path}"`, async () => {
      for (const check of checks) await check();
      return act(systemPathOf(path));
    });
  const { handleOf, handleForWriting, closeFile, paths } = createHandles(root, systemPathOf);
  return {
    size: (path) =>
      run('read', path, async (systemPath) => {
        await checkLinks(root, `${path}/`);
        return sizeOf(systemPath);
      }),
    readInto: (path, offset, target) =>
      run('read', path, async () => readFully(await handleOf(path), { path, offset, target })),
    write: (path, offset, bytes) =>
      run('write', path, async () => writeFully(await handleForWriting(path), offset, bytes)),
    sync: (path) => run('write', path, async () => (await handleOf(path)).sync()),
    rename: (from, to) =>
      run('rename', from, async (systemPath) => {
        const target = systemPathOf(to);
        await checkLinks(root, from);
        for (const path of [from, to]) await closeFile(path);
        await makeParentOf(root, to);
        await rename(systemPath, target);
      }),
    remove: (path) =>
      run('remove', path, async (systemPath) => {
        await checkLinks(root, path);
        await closeFile(path);
        await rm(systemPath, { force: true });
      }),
    openSource: (path) =>
      run('read', path, async (systemPath) => {
        await checkLinks(root, `${path}/`);
        return openFileSource(systemPath);
      }),
    list: (folder) =>
      run('list', folder, async (systemPath) => {
        await checkLinks(root, `${folder}/`);
        return listBelow(systemPath, folder);
      }),
    syncDirectory: (folder) =>
      run('write', folder, async () => {
        for (const each of withParents(folder)) await syncFolder(systemPathOf(each));
      }),
    async withLock(name, act) {
      await run('lock', name, () => makeParentOf(root, name));
      return lockFile(`${systemPathOf(name)}.lock`, (check) => {
        checks.add(check);
        return act().finally(() => checks.delete(check));
      });
    },
    freeBytes: () => run('read', '', freeBytesIn),
    async close() {
      for (const path of paths()) await closeFile(path);
    },
  };
}

/** A file and its identity, which lasts as long as it is open. */
interface OpenedFile {
  readonly file: FileHandle;
  readonly dev: number;
  readonly ino: number;
}

async function identify(file: FileHandle): Promise<OpenedFile> {
  try {
    const { dev, ino } = await file.stat();
    return { file, dev, ino };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Manages open files by path. */
function createHandles(root: string, systemPathOf: (path: string) => string) {
  const handles = new Map<string, Promise<OpenedFile>>();
  const closeFile = async (path: string): Promise<void> => {
    const opened = handles.get(path);
    handles.delete(path);
    await (await opened)?.file.close();
  };
  const handleOf = async (path: string, make = false): Promise<FileHandle> => {
    const known = handles.get(path);
    if (known && (await isAt(await known, systemPathOf(path)))) return (await known).file;
    // Another process may have replaced the file.
    if (known && handles.get(path) === known) await closeFile(path);
    const opened = handles.get(path) ?? openFile(root, path, make).then(identify);
    handles.set(path, opened);
    opened.catch(() => handles.delete(path));
    return (await opened).file;
  };
  /** Paths that were found to be no links. */
  const plain = new Set<string>();
  const handleForWriting = async (path: string): Promise<FileHandle> => {
    if (!plain.has(path)) await refuseLinks(root, path);
    plain.add(path);
    return handleOf(path, true);
  };
  return { handleOf, handleForWriting, closeFile, paths: () => [...handles.keys()] };
}

/** Opens a file; `make` creates a missing file and its parent folders. */
async function openFile(root: string, path: string, make: boolean): Promise<FileHandle> {
  try {
    return await openInside(await realpath(root), path, 'r+');
  } catch (error) {
    if (!make || !(error instanceof NeuralDiffError && error.code === 'file-not-found')) throw error;
  }
  const systemPath = join(root, path);
  await makeParentOf(root, path);
  return open(systemPath, 'wx+');
}

async function makeParentOf(root: string, path: string): Promise<void> {
  await checkLinks(root, path);
  await mkdir(dirname(join(root, path)), { recursive: true });
}

/** @throws NeuralDiffError `unsafe-path` for a path with a folder that is a link to outside the root */
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
    throw new NeuralDiffError(
      'unsafe-path',
      `Cannot open "${path}": expected a path inside the model's folder, got a link to outside`,
    );
  }
}

/** @returns whether an open file still has its path */
async function isAt({ dev, ino }: OpenedFile, systemPath: string): Promise<boolean> {
  const found = await stat(systemPath).catch(() => undefined);
  return found !== undefined && found.ino === ino && found.dev === dev;
}

async function sizeOf(systemPath: string): Promise<number | undefined> {
  try {
    const found = await stat(systemPath);
    if (found.isFile()) return found.size;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
  throw noFile(systemPath);
}

async function listBelow(systemPath: string, folder: string): Promise<string[]> {
  const entries = await readdir(systemPath, { withFileTypes: true }).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const start = folder === '' ? '' : `${folder}/`;
  const paths: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory())
      paths.push(...(await listBelow(join(systemPath, entry.name), start + entry.name)));
    else paths.push(start + entry.name);
  }
  return paths.sort();
}

/** @returns a folder and its parents, whose names must be made durable too */
function withParents(folder: string): string[] {
  return folder === '' ? [''] : [folder, ...withParents(folderOf(folder))];
}

/** Makes the names in a folder durable; does nothing for a missing folder. */
async function syncFolder(systemPath: string): Promise<void> {
  await syncPath(systemPath).catch((error) => {
    if (!isMissing(error)) throw error;
  });
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code as string);
}
