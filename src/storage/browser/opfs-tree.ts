import { NeuralDiffError } from '../../model/errors.js';
import { noSuchFile } from '../disk.js';

/** A browser method that the standard library's types lack. */
interface MovableFile extends FileSystemFileHandle {
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

/** Suffix of files that are not listed: Chromium's copies for writes outside workers, and those below. */
const SWAP_SUFFIX = '.crswap';

/**
 * Suffix of a complete file that takes the place of the one with the name before the suffix.
 *
 * Firefox replaces a file in steps: it deletes the content, then the name, then renames. If it is killed in
 * between, an empty file or none is left. A rename to a free name is one step in every browser, so files are
 * replaced by these: the new file gets this name, and from then on is found in place of the old one, which is
 * removed.
 */
const NEXT_SUFFIX = `.next${SWAP_SUFFIX}`;

/** Suffix of content that is not complete. */
const SCRATCH_SUFFIX = `.scratch${SWAP_SUFFIX}`;

/** @returns the folder at a path; it and its parents are created if missing */
export async function makeFolder(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const name of segmentsOf(path)) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** @returns the folder at a path; undefined if missing */
async function findFolder(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemDirectoryHandle | undefined> {
  let folder: FileSystemDirectoryHandle | undefined = root;
  for (const name of segmentsOf(path)) {
    folder = await ignoreErrors(folder.getDirectoryHandle(name), ['NotFoundError', 'TypeMismatchError']);
    if (folder === undefined) return undefined;
  }
  return folder;
}

/** @returns the file at a path; undefined if missing */
export async function findFile(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemFileHandle | undefined> {
  const { parent, name } = splitPath(path);
  const folder = await findFolder(root, parent);
  if (folder === undefined) return undefined;
  // Another tab may replace the file between the attempts.
  for (const each of [name + NEXT_SUFFIX, name, name + NEXT_SUFFIX, name]) {
    const file = await findEntry(folder, each);
    if (file !== undefined) return file;
  }
  return undefined;
}

/** Reads a file that another tab may replace meanwhile. @returns undefined if it is missing */
export async function readFile<T>(
  root: FileSystemDirectoryHandle,
  path: string,
  read: (file: File) => T | Promise<T>,
): Promise<T | undefined> {
  for (let tries = 1; ; tries++) {
    const file = await findFile(root, path);
    try {
      return file && (await read(await file.getFile()));
    } catch (error) {
      // The file that was found is gone.
      if (tries === MAX_READS || !hasName(error, ['NotFoundError'])) throw error;
    }
  }
}

/** Attempts to read a file that is replaced each time. */
const MAX_READS = 5;

/** @returns the file at a path, created if missing */
export async function makeFile(root: FileSystemDirectoryHandle, path: string): Promise<FileSystemFileHandle> {
  const { parent, name } = splitPath(path);
  const folder = await makeFolder(root, parent);
  return (await findEntry(folder, name + NEXT_SUFFIX)) ?? folder.getFileHandle(name, { create: true });
}

/** Removes a file, and what interrupted writes to it left; does nothing for a missing file. */
export async function removeFile(root: FileSystemDirectoryHandle, path: string): Promise<void> {
  const { parent, name } = splitPath(path);
  const folder = await findFolder(root, parent);
  if (folder === undefined) return;
  // The old file, if there are two, then the one that is found in its place.
  for (const own of [name, name + NEXT_SUFFIX, name + SCRATCH_SUFFIX])
    for (const each of [own, own + SWAP_SUFFIX]) await removeEntry(folder, each);
}

/** @returns the paths of all files below a folder, sorted */
export async function listFiles(root: FileSystemDirectoryHandle, path: string): Promise<string[]> {
  const folder = await findFolder(root, path);
  if (folder === undefined) return [];
  return [...new Set(await listBelow(folder, path === '' ? '' : `${path}/`))].sort();
}

async function listBelow(folder: FileSystemDirectoryHandle, start: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind === 'file') {
      const own = name.endsWith(NEXT_SUFFIX) ? name.slice(0, -NEXT_SUFFIX.length) : name;
      if (!own.endsWith(SWAP_SUFFIX)) paths.push(start + own);
    } else paths.push(...(await listBelow(entry as FileSystemDirectoryHandle, `${start + name}/`)));
  }
  return paths;
}

/** Renames a closed file, replacing any file at the target; readers find the old or the new one. */
export async function moveFile(
  root: FileSystemDirectoryHandle,
  { from, to }: { from: string; to: string },
): Promise<void> {
  const file = await findFile(root, from);
  if (file === undefined) throw noSuchFile(from);
  if (from === to) return;
  if (!canMove(file)) return moveBySwap(root, { file, from, to });
  const source = await findPlace(root, from);
  await settle(source);
  await replace(source, await findPlace(root, to));
}

/**
 * Opens a stream of new content for a file, at first its old content, which takes effect when it is closed.
 *
 * @returns the stream, and what to call after it was closed
 */
export async function openSwap(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<{ stream: FileSystemWritableFileStream; takeEffect: () => Promise<void> }> {
  const place = await findPlace(root, path);
  const scratch = { ...place, name: place.name + SCRATCH_SUFFIX };
  await settle(place);
  await removeEntry(scratch.folder, scratch.name);
  const file = await makeFile(root, path);
  const content = await file.getFile();
  // An empty file has nothing to lose if the browser is killed while it replaces the content.
  if (content.size === 0 || !canMove(file))
    return { stream: await file.createWritable({ keepExistingData: true }), takeEffect: async () => {} };
  const made = await scratch.folder.getFileHandle(scratch.name, { create: true });
  const stream = await made.createWritable();
  // Not the file at once: where there is no space, Chromium sometimes says that it cannot be read.
  for (let start = 0; start < content.size; start += COPIED_BYTES)
    await stream.write(await content.slice(start, start + COPIED_BYTES).arrayBuffer());
  return { stream, takeEffect: () => replace(scratch, place) };
}

/** Bytes that are copied at once. */
const COPIED_BYTES = 2 ** 20;

/** Where a file is. */
interface Place {
  readonly folder: FileSystemDirectoryHandle;
  readonly name: string;
}

/** @returns a place; its folder is created if missing */
async function findPlace(root: FileSystemDirectoryHandle, path: string): Promise<Place> {
  const { parent, name } = splitPath(path);
  return { folder: await makeFolder(root, parent), name };
}

/** Gives a complete file the place of another, or a free one. */
async function replace(from: Place, to: Place): Promise<void> {
  const file: MovableFile = await from.folder.getFileHandle(from.name);
  await settle(to);
  if ((await findEntry(to.folder, to.name)) === undefined) return file.move?.(to.folder, to.name);
  await file.move?.(to.folder, to.name + NEXT_SUFFIX);
  try {
    await settle(to);
  } catch (error) {
    // Another worker has the old file open: it stays.
    const next: MovableFile = await to.folder.getFileHandle(to.name + NEXT_SUFFIX);
    await next.move?.(from.folder, from.name);
    throw error;
  }
}

/** Completes the replacement of a file, if one was begun. */
async function settle({ folder, name }: Place): Promise<void> {
  const next = await findEntry(folder, name + NEXT_SUFFIX);
  if (next === undefined) return;
  await removeEntry(folder, name);
  await next.move?.(folder, name);
}

const canMove = (file: MovableFile): boolean => file.move !== undefined;

const findEntry = (folder: FileSystemDirectoryHandle, name: string): Promise<MovableFile | undefined> =>
  ignoreErrors(folder.getFileHandle(name), ['NotFoundError']);

const removeEntry = (folder: FileSystemDirectoryHandle, name: string): Promise<void> =>
  ignoreErrors(folder.removeEntry(name), ['NotFoundError']);

/**
 * Renames a file in browsers without `move`: copies it to the target, which is replaced atomically, then
 * removes it.
 *
 * Readers find the old or the complete new target. After an interruption the source may remain; `writeRecord`
 * removes it before the next write.
 */
async function moveBySwap(
  root: FileSystemDirectoryHandle,
  { file, from, to }: { file: FileSystemFileHandle; from: string; to: string },
): Promise<void> {
  const target = await makeFile(root, to);
  if (!('createWritable' in target)) {
    const message = `Cannot rename "${from}": this browser can neither move nor replace files`;
    throw new NeuralDiffError('file-unreadable', message);
  }
  await (await file.getFile()).stream().pipeTo(await target.createWritable());
  await removeFile(root, from);
}

/** @returns the result of an operation; undefined if it fails with one of the named exceptions */
async function ignoreErrors<T>(operation: Promise<T>, names: readonly string[]): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (hasName(error, names)) return undefined;
    throw error;
  }
}

const hasName = (error: unknown, names: readonly string[]): boolean =>
  error instanceof DOMException && names.includes(error.name);

function splitPath(path: string): { parent: string; name: string } {
  const end = path.lastIndexOf('/');
  return { parent: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
}

const segmentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '');
