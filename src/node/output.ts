import { randomUUID } from 'node:crypto';
import {
  constants,
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import { checkFree } from '../storage/disk.js';
import { withFileErrors } from './file-errors.js';
import { freeBytesIn, realPathInside, syncPath, syncTree } from './folder.js';

/**
 * Checks that an output can be written, before the work on it begins.
 *
 * @throws NeuralDiffError `output-exists`; `file-not-found` if its folder does not exist
 */
export async function checkOutput(path: string, options: { readonly force?: boolean } = {}): Promise<void> {
  await withFileErrors(`Cannot write "${path}"`, () => lstat(dirname(path)));
  if (options.force || !(await exists(path))) return;
  throw new NeuralDiffError(
    'output-exists',
    `Cannot write "${path}": it exists already; choose another path, or replace it (--force)`,
  );
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a file atomically: to a temporary sibling, which is flushed and renamed.
 *
 * @throws NeuralDiffError `output-exists`, `no-space`, `file-not-found`, `file-unreadable`
 */
export async function writeOutput(
  path: string,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  await checkOutput(path, options);
  const staged = siblingOf(path);
  await withFileErrors(`Cannot write "${path}"`, async () => {
    try {
      const file = await open(staged, 'wx');
      try {
        for await (const piece of content instanceof Uint8Array ? [content] : content)
          await file.writeFile(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(staged, path);
      await syncPath(dirname(path));
    } finally {
      await rm(staged, { force: true });
    }
  });
}

/** Source and target of a copy. */
export interface CopyPaths {
  /** Whether to replace an existing file or folder; defaults to false. */
  readonly force?: boolean;
  /** A folder or a file; not changed. */
  readonly from: string;
  /** Paths in the folder of the files to copy; undefined if `from` is a file. */
  readonly files?: readonly string[] | undefined;
  /** The target; must not exist without `force`. */
  readonly to: string;
}

/**
 * Copies some files of a folder, or a file; calls `change` with the copy; makes it durable; moves it to the
 * target.
 *
 * A link to another file of the folder is copied as a file, so that changes do not reach the original. A link
 * that leads out of the folder is refused. An existing target is first renamed. A power loss at that moment
 * leaves it under a hidden name in the same folder.
 *
 * @param paths source and target
 * @param change changes the copy, given its path; if it throws, the copy is removed
 * @returns the result of `change`
 * @throws NeuralDiffError `output-exists`, also for a target that contains the source; `unsafe-path`;
 *   `no-space` before anything is written, where the free space is known, or later; `file-not-found`,
 *   `file-unreadable`; any error of `change`
 */
export async function writeCopy<T>(paths: CopyPaths, change: (copy: string) => Promise<T>): Promise<T> {
  const { from, to, files } = paths;
  await checkOutput(to, paths);
  await checkNotInside(paths);
  const staged = siblingOf(to);
  return withFileErrors(`Cannot write "${to}"`, async () => {
    const root = files === undefined ? dirname(from) : from;
    const names = files ?? [basename(from)];
    const originals = await Promise.all(names.map((name) => findInside(root, name)));
    await checkSpace(originals, to);
    try {
      for (const [i, { path }] of originals.entries()) {
        const copy = files === undefined ? staged : join(staged, names[i] as string);
        if (files !== undefined) await mkdir(dirname(copy), { recursive: true });
        await copyFile(path, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      }
      const result = await change(staged);
      await syncTree(staged);
      await replace(staged, to);
      return result;
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  });
}

/**
 * Makes a folder, calls `make` with its path, makes what is in it durable, and moves it to the target: the
 * folder itself, or its only file.
 *
 * @param paths the model that the files are made from, not copied; without `files` a single file is made
 * @param make writes into the folder; if it throws, the folder is removed
 * @returns the result of `make`
 * @throws NeuralDiffError as `writeCopy`
 */
export async function writeFolder<T>(paths: CopyPaths, make: (folder: string) => Promise<T>): Promise<T> {
  const { to, files } = paths;
  await checkOutput(to, paths);
  await checkNotInside(paths);
  const staged = siblingOf(to);
  return withFileErrors(`Cannot write "${to}"`, async () => {
    try {
      await mkdir(staged);
      const result = await make(staged);
      await syncTree(staged);
      const [name] = files === undefined ? await readdir(staged) : [];
      await replace(name === undefined ? staged : join(staged, name), to);
      return result;
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  });
}

/** Copies files of a folder into another one; a link to another file of the folder is copied as a file. */
export async function copyInto(
  folder: string,
  { from, files }: { readonly from: string; readonly files: readonly string[] },
): Promise<void> {
  for (const name of files) {
    const { path } = await findInside(from, name);
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await copyFile(path, join(folder, name), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}

/** @returns the real path and the size of a file of a folder */
async function findInside(root: string, name: string): Promise<{ path: string; bytes: number }> {
  const path = await realPathInside(await realpath(root), name);
  return { path, bytes: (await stat(path)).size };
}

/** Checks the free space for a copy, where the system tells. */
async function checkSpace(originals: readonly { bytes: number }[], to: string): Promise<void> {
  const needed = originals.reduce((sum, { bytes }) => sum + bytes, 0);
  const freeBytes = () => freeBytesIn(dirname(to)).catch(() => undefined);
  await checkFree({ freeBytes }, needed, `write "${to}"`);
}

/**
 * Checks that an existing target, which is replaced completely, does not contain the source. A single file
 * may replace itself.
 */
async function checkNotInside({ from, to, files }: CopyPaths): Promise<void> {
  if (!(await exists(to))) return;
  const inner = await withFileErrors(`Cannot copy "${from}"`, () => realpath(from));
  // A link is replaced, not what it leads to.
  const outer = join(await realpath(dirname(to)), basename(to));
  const isSame = inner === outer && files !== undefined;
  if (!isSame && !inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)) return;
  const remedy = 'its other files would be lost; name another folder, or patch it in place';
  throw new NeuralDiffError(
    'output-exists',
    `Cannot write "${to}": it contains the model to copy; ${remedy}`,
  );
}

/** Moves a copy to the target. A non-empty target folder must be renamed first and is removed last. */
async function replace(staged: string, to: string): Promise<void> {
  const previous = siblingOf(to);
  const isReplacing = await exists(to);
  if (isReplacing) await rename(to, previous);
  try {
    await rename(staged, to);
  } catch (error) {
    if (isReplacing) await rename(previous, to);
    throw error;
  }
  await syncPath(dirname(to));
  await rm(previous, { recursive: true, force: true });
}

function siblingOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
}

/**
 * Lists an output folder.
 *
 * @returns the names in it; empty for a missing folder
 * @throws NeuralDiffError `file-not-found` if its parent does not exist or the path is a file,
 *   `file-unreadable`
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
 * Writes or replaces a file in a folder atomically; creates the folder if missing.
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
 * Removes files from a folder, and the folder if it becomes empty. Missing files are ignored.
 *
 * @param names names of files directly in the folder
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
