import { NeuralDiffError } from '../../model/errors.js';
import { noSuchFile } from './browser-disk.js';

/** What browsers have beyond the types of the standard library. */
interface MovableFile extends FileSystemFileHandle {
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

/** What Chromium calls the copies that writes outside of workers go to: they lie beside the files. */
const SWAP_ENDING = '.crswap';

/** @returns the folder at a path, with all folders above it, made where they are not there */
export async function makeFolder(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const name of segmentsOf(path)) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** @returns the folder at a path; undefined where there is none */
export async function findFolder(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemDirectoryHandle | undefined> {
  let folder: FileSystemDirectoryHandle | undefined = root;
  for (const name of segmentsOf(path)) {
    folder = await orMissing(folder.getDirectoryHandle(name), ['NotFoundError', 'TypeMismatchError']);
    if (folder === undefined) return undefined;
  }
  return folder;
}

/** @returns the file at a path; undefined where there is none */
export async function findFile(
  root: FileSystemDirectoryHandle,
  path: string,
): Promise<FileSystemFileHandle | undefined> {
  const { above, name } = splitPath(path);
  const folder = await findFolder(root, above);
  return folder && orMissing(folder.getFileHandle(name), ['NotFoundError']);
}

/** @returns the file at a path, made where it is not there */
export async function makeFile(root: FileSystemDirectoryHandle, path: string): Promise<FileSystemFileHandle> {
  const { above, name } = splitPath(path);
  return (await makeFolder(root, above)).getFileHandle(name, { create: true });
}

/** Removes a file, and what a killed browser left of a write to it; nothing where there is none. */
export async function removeFile(root: FileSystemDirectoryHandle, path: string): Promise<void> {
  const { above, name } = splitPath(path);
  const folder = await findFolder(root, above);
  if (folder === undefined) return;
  for (const each of [name, name + SWAP_ENDING]) await orMissing(folder.removeEntry(each), ['NotFoundError']);
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
      if (!name.endsWith(SWAP_ENDING)) paths.push(start + name);
    } else paths.push(...(await listBelow(entry as FileSystemDirectoryHandle, `${start + name}/`)));
  }
  return paths;
}

/** Gives a file, of which nothing is open, another name, in place of a file that has it. */
export async function moveFile(
  root: FileSystemDirectoryHandle,
  { from, to }: { from: string; to: string },
): Promise<void> {
  const file: MovableFile | undefined = await findFile(root, from);
  if (file === undefined) throw noSuchFile(from);
  if (from === to) return;
  const { above, name } = splitPath(to);
  if (file.move !== undefined) await file.move(await makeFolder(root, above), name);
  else await moveBySwap(root, { file, from, to });
}

/**
 * For browsers whose files do not move. The content goes into a swap file that takes the target's place when it is closed,
 * at once; then the source goes. Whoever looks finds the old target or the whole new one, but for a moment, or after a cut
 * in it, the source is there as well: `writeRecord` removes such a source before it writes the next one.
 */
async function moveBySwap(
  root: FileSystemDirectoryHandle,
  { file, from, to }: { file: FileSystemFileHandle; from: string; to: string },
): Promise<void> {
  const target = await makeFile(root, to);
  if (!('createWritable' in target)) {
    const message = `Cannot rename "${from}": this browser neither moves files nor swaps them; it is too old`;
    throw new NeuralDiffError('file-unreadable', message);
  }
  await (await file.getFile()).stream().pipeTo(await target.createWritable());
  await removeFile(root, from);
}

async function orMissing<T>(found: Promise<T>, missing: readonly string[]): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof DOMException && missing.includes(error.name)) return undefined;
    throw error;
  }
}

function splitPath(path: string): { above: string; name: string } {
  const end = path.lastIndexOf('/');
  return { above: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
}

const segmentsOf = (path: string): string[] => path.split('/').filter((name) => name !== '');
