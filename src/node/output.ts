import { randomUUID } from 'node:crypto';
import { cp, lstat, mkdir, open, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from './file-errors.js';

/**
 * Checks that an output may be made, before any work is spent on it.
 *
 * @throws NeuralDiffError `output-exists`; `file-not-found` when its folder does not exist
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
 * Writes a file whole or not at all: to a sibling first, flushed, then renamed.
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

/** What is copied, and where to. */
export interface CopyPaths {
  /** Replaces an existing file or folder. */
  readonly force?: boolean;
  /** A folder or a file; left alone. */
  readonly from: string;
  /** Files of the folder to copy, with the folders that they lie in; all of it unless given. */
  readonly files?: readonly string[];
  /** Must not exist unless `force` is given. */
  readonly to: string;
}

/**
 * Copies a folder, some of its files, or a file, following links, lets `change` work on the copy, and moves it to its place. What
 * is replaced steps aside for a moment: a power cut just then leaves it under a hidden name beside its place.
 *
 * @param paths what is copied, and where to
 * @param change works on the copy, whose path it gets; when it throws, nothing is left behind
 * @returns what `change` returns
 * @throws NeuralDiffError `output-exists`, also for a folder that holds more than the files to copy, `no-space`, `file-not-found`,
 *   `file-unreadable`; whatever `change` throws
 */
export async function writeCopy<T>(paths: CopyPaths, change: (copy: string) => Promise<T>): Promise<T> {
  const { from, to, files } = paths;
  await checkOutput(to, paths);
  const staged = siblingOf(to);
  return withFileErrors(`Cannot write "${to}"`, async () => {
    try {
      if (files === undefined) await copy(from, staged);
      else {
        await checkBeside(from, to);
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

/** A link copied as a link would lead the change back to the original. */
async function copy(from: string, to: string): Promise<void> {
  const original = await realpath(from);
  await cp(original, to, { recursive: true, dereference: true, errorOnExist: true, force: false });
}

/** What is replaced is gone as a whole: not only the files that are copied, but whatever else lies beside them. */
async function checkBeside(from: string, to: string): Promise<void> {
  if (!(await exists(to))) return;
  const [inner, outer] = [await realpath(from), await realpath(to)];
  if (inner !== outer && !inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)) return;
  throw new NeuralDiffError('output-exists', `Cannot write "${to}": the model that is copied lies in it`);
}

/** A folder cannot be renamed over a full one: the old one steps aside first and is removed last. */
async function replace(staged: string, to: string): Promise<void> {
  const aside = siblingOf(to);
  const isReplacing = await exists(to);
  if (isReplacing) await rename(to, aside);
  try {
    await rename(staged, to);
  } catch (error) {
    if (isReplacing) await rename(aside, to);
    throw error;
  }
  await syncFolder(dirname(to));
  await rm(aside, { recursive: true, force: true });
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
