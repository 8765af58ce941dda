import { randomUUID } from 'node:crypto';
import { cp, lstat, mkdir, open, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from './file-errors.js';

/**
 * Checks that an output can be written, before the work on it begins.
 *
 * @throws NeuralDiffError `output-exists`; `file-not-found` if its folder does not exist
 */
export async function checkOutput(path: string, options: { readonly force?: boolean } = {}): Promise<void> {
  await withFileErrors(`Cannot write "${path}"`, () => lstat(dirname(path)));
  if (options.force || !(await exists(path))) return;
  throw new NeuralDiffError('output-exists', `Cannot write "${path}": it exists already`);
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
      await syncFolder(dirname(path));
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
  /** Paths of the files to copy from the folder; defaults to all. */
  readonly files?: readonly string[];
  /** The target; must not exist without `force`. */
  readonly to: string;
}

/**
 * Copies a folder, some of its files, or a file, following links; calls `change` with the copy; moves it to
 * the target.
 *
 * An existing target is first renamed. A power loss at that moment leaves it under a hidden name in the same
 * folder.
 *
 * @param paths source and target
 * @param change changes the copy, given its path; if it throws, the copy is removed
 * @returns the result of `change`
 * @throws NeuralDiffError `output-exists`, also for a target folder that contains the source, `no-space`,
 *   `file-not-found`, `file-unreadable`; any error of `change`
 */
export async function writeCopy<T>(paths: CopyPaths, change: (copy: string) => Promise<T>): Promise<T> {
  const { from, to, files } = paths;
  await checkOutput(to, paths);
  const staged = siblingOf(to);
  return withFileErrors(`Cannot write "${to}"`, async () => {
    try {
      if (files === undefined) await copy(from, staged);
      else {
        await checkNotInside(from, to);
        for (const file of files) await copy(join(from, file), join(staged, file));
      }
      const result = await change(staged);
      await replace(staged, to);
      return result;
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  });
}

/** Copies a file or folder, following links so that changes do not reach the original. */
async function copy(from: string, to: string): Promise<void> {
  const original = await realpath(from);
  await cp(original, to, { recursive: true, dereference: true, errorOnExist: true, force: false });
}

/** Checks that an existing target, which is replaced completely, does not contain the source. */
async function checkNotInside(from: string, to: string): Promise<void> {
  if (!(await exists(to))) return;
  const [inner, outer] = [await realpath(from), await realpath(to)];
  if (inner !== outer && !inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)) return;
  throw new NeuralDiffError('output-exists', `Cannot write "${to}": it contains the model to copy`);
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
  await syncFolder(dirname(to));
  await rm(previous, { recursive: true, force: true });
}

function siblingOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
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
