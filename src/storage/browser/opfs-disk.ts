import { NeuralDiffError } from '../../model/errors.js';
import { checkInside } from '../../model/model-files.js';
import {
  type BrowserDisk,
  checkWhole,
  makeBrowserDisk,
  noSuchFile,
  withBrowserErrors,
} from './browser-disk.js';
import { hasSyncAccess, type OpenFile, openForWriting, readSnapshot } from './opfs-open-file.js';
import { findFile, listFiles, makeFile, makeFolder, moveFile, removeFile } from './opfs-tree.js';

/**
 * Opens the Origin Private File System, or a folder of it, as a disk: in dedicated workers, where it is fast, and in pages,
 * where each `sync` of a file, and each read of one behind a write, copies the file once.
 *
 * What is written and synced outlives tabs, workers and browsers that are closed, reloaded or killed at any moment. About
 * power cuts browsers promise less: in a worker `sync` flushes the file, in a page it waits for the browser to swap files,
 * and nothing makes names durable, so that `syncNames` has nothing to do. A record that a power cut damaged is noticed
 * (`storage-mismatch`). Where that is not enough, see `openIndexedDbDisk`. Under pressure a browser may remove all of an
 * origin's files, unless `navigator.storage.persist()` was granted.
 *
 * @throws NeuralDiffError `file-unreadable` where there is no such file system, as in pages without a secure connection;
 * `unsafe-path`
 */
export async function openOpfsDisk({ folder = '' }: { folder?: string } = {}): Promise<BrowserDisk> {
  const files = new OpfsFiles(await openRoot(folder === '' ? '' : checkInside(folder)));
  return makeBrowserDisk(files, {
    prefix: `neural-diff/files/${folder}/`,
    hold: () => files.hold(),
    letGo: () => files.letGo(),
  });
}

async function openRoot(folder: string): Promise<FileSystemDirectoryHandle> {
  // Without a secure connection there is neither, whatever the types say.
  const storage = navigator.storage as Partial<StorageManager> | undefined;
  if (storage?.getDirectory === undefined) {
    const message =
      'Cannot open private files: this browser, or a page without a secure connection, has none';
    throw new NeuralDiffError('file-unreadable', message);
  }
  const root = storage.getDirectory();
  return withBrowserErrors('Cannot open private files', async () => makeFolder(await root, folder));
}

/**
 * The files below a folder of the Origin Private File System, one operation at a time. Files that are written are held open
 * until they are synced; between `hold` and `letGo`, so is every file that is written or, in a worker, read.
 */
export class OpfsFiles {
  readonly #root: FileSystemDirectoryHandle;
  readonly #open = new Map<string, OpenFile>();
  #holders = 0;

  constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  hold(): void {
    this.#holders++;
  }

  async letGo(): Promise<void> {
    this.#holders--;
    if (this.#holders === 0) await this.close();
  }

  async size(path: string): Promise<number | undefined> {
    const open = this.#open.get(path);
    if (open) return open.size();
    const file = await findFile(this.#root, path);
    return file && (await file.getFile()).size;
  }

  async readInto(path: string, offset: number, target: Uint8Array): Promise<void> {
    const found = await this.#read(path, offset, target);
    checkWhole(path, { offset, expected: target.length, found });
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const open = this.#open.get(path) ?? (await this.#hold(path, await makeFile(this.#root, path)));
    await open.write(offset, bytes);
  }

  async sync(path: string): Promise<void> {
    const open = this.#open.get(path);
    if (open === undefined) {
      // What is not held open was flushed or swapped before it was let go.
      if ((await findFile(this.#root, path)) === undefined) throw noSuchFile(path);
      return;
    }
    await open.sync();
    if (this.#holders === 0) await this.#forget(path);
  }

  async rename(from: string, to: string): Promise<void> {
    for (const path of [from, to]) await this.#forget(path);
    await moveFile(this.#root, { from, to });
  }

  async remove(path: string): Promise<void> {
    await this.#forget(path);
    await removeFile(this.#root, path);
  }

  list(folder: string): Promise<string[]> {
    return listFiles(this.#root, folder);
  }

  async close(): Promise<void> {
    for (const path of [...this.#open.keys()]) await this.#forget(path);
  }

  async #read(path: string, offset: number, target: Uint8Array): Promise<number> {
    const open = this.#open.get(path);
    if (open) return open.read(offset, target);
    const file = await findFile(this.#root, path);
    if (file === undefined) throw noSuchFile(path);
    if (this.#holders === 0 || !hasSyncAccess()) return readSnapshot(file, offset, target);
    return (await this.#hold(path, file)).read(offset, target);
  }

  async #hold(path: string, file: FileSystemFileHandle): Promise<OpenFile> {
    const open = await openForWriting(file);
    this.#open.set(path, open);
    return open;
  }

  async #forget(path: string): Promise<void> {
    const open = this.#open.get(path);
    this.#open.delete(path);
    await open?.close();
  }
}
