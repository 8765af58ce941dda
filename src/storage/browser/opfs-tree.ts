import { NeuralDiffError } from '../../model/errors.js';
import { noSuchFile } from '../disk.js';

/** A browser method that the standard library's types lack. */
interface MovableFile extends FileSystemFileHandle {
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

/** Suffix of Chromium's copies for writes outside workers, in the same folder as the file. */
const SWAP_SUFFIX = '.crswap';

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
  return folder && ignoreErrors(folder.getFileHandle(name), ['NotFoundError']);
}

/** @returns the file at a path, created if missing */
export async function makeFile(root: FileSystemDirectoryHandle, path: string): Promise<FileSystemFileHandle> {
  const { parent, name } = splitPath(path);
  return (await makeFolder(root, parent)).getFileHandle(name, { create: true });
}

/** Removes a file, and the copy of an interrupted write to it; does nothing for a missing file. */
export async function removeFile(root: FileSystemDirectoryHandle, path: string): Promise<void> {
  const { parent, name } = splitPath(path);
  const folder = await findFolder(root, parent);
  if (folder === undefined) return;
  for (const entry of [name, name + SWAP_SUFFIX])
    await ignoreErrors(folder.removeEntry(entry), ['NotFoundError']);
}

/** @returns the paths of all files below a folder, sorted */
export async function listFiles(root: FileSystemDirectoryHandle, path: string): Promise<string[]> {
  const folder = await findFolder(root, path);
  return folder ? (await listBelow(folder, path === '' ? '' : `${path}/`)).sort() : [];
}

async function listBelow(folder: FileSystemDirectoryHandle, start: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind === 'file') {
      if (!name.endsWith(SWAP_SUFFIX)) paths.push(start + name);
    } else paths.push(...(await listBelow(entry as FileSystemDirectoryHandle, `${start + name}/`)));
  }
  return paths;
}

/** Renames a closed file, replacing any file at the target. */
export async function moveFile(
  root: FileSystemDirectoryHandle,
  { from, to }: { from: string; to: string },
): Promise<void> {
  const file: MovableFile | undefined = await findFile(root, from);
  if (file === undefined) throw noSuchFile(from);
  if (from === to) return;
  const { parent, name } = splitPath(to);
  if (file.move !== undefined) await file.move(await makeFolder(root, parent), name);
  else await moveBySwap(root, { file, from, to });
}

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
    if (error instanceof DOMException && names.includes(error.name)) return undefined;
    throw error;
  }
}

function splitPath(path: string): { parent: string; name: string } {
  const end = path.lastIndexOf('/');
  return { parent: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
}

const segmentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '');
