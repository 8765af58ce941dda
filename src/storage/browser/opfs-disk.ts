import { NeuralDiffError } from '../../model/errors.js';
import { checkInside } from '../../model/model-files.js';
import { checkReadLength, noSuchFile } from '../disk.js';
import { type BrowserDisk, createBrowserDisk, withBrowserErrors } from './browser-disk.js';
import { type OpenFile, openForWriting, SyncAccessFile } from './opfs-open-file.js';
import { findFile, listFiles, makeFile, makeFolder, moveFile, readFile, removeFile } from './opfs-tree.js';

/**
 * Opens the Origin Private File System, or a folder of it, as a disk.
 *
 * It is fast in dedicated workers. In pages, each `sync` of a file and each read after a write copies the
 * file once. Synced writes survive closing, reloading or killing tabs, workers and the browser. Browsers
 * guarantee less about power loss: in a worker `sync` flushes the file, in a page it waits for the browser to
 * swap files, and nothing makes names durable, so `syncDirectory` does nothing. A record damaged by a power
 * loss is detected (`storage-mismatch`). For a stronger guarantee use `openIndexedDbDisk`. Under storage
 * pressure a browser may delete all files of an origin, unless `navigator.storage.persist()` was granted.
 *
 * @throws NeuralDiffError `file-unreadable` if there is no such file system, as in insecure contexts;
 *   `unsafe-path`
 */
export async function openOpfsDisk({ folder = '' }: { folder?: string } = {}): Promise<BrowserDisk> {
  const files = new OpfsFiles(await openRoot(folder === '' ? '' : checkInside(folder)));
  return createBrowserDisk(files, {
    prefix: `neural-diff/files/${folder}/`,
    onLock: () => files.acquire(),
    onUnlock: () => files.release(),
  });
}

async function openRoot(folder: string): Promise<FileSystemDirectoryHandle> {
  // Missing in insecure contexts, despite the types.
  const storage = navigator.storage as Partial<StorageManager> | undefined;
  if (storage?.getDirectory === undefined) {
    const message =
      'Cannot open private files: not available in this browser or in a page without a secure connection';
    throw new NeuralDiffError('file-unreadable', message);
  }
  const root = storage.getDirectory();
  return withBrowserErrors('Cannot open private files', async () => makeFolder(await root, folder));
}

/**
 * Files below a folder of the Origin Private File System; operations must be serialised.
 *
 * Written files stay open until they are synced. Between `acquire` and `release`, all files that are written
 * or, in a worker, read stay open.
 */
class OpfsFiles {
  readonly #root: FileSystemDirectoryHandle;
  readonly #open = new Map<string, OpenFile>();
  #holders = 0;

  constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  acquire(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    this.#holders--;
    if (this.#holders === 0) await this.close();
  }

  async size(path: string): Promise<number | undefined> {
    const open = await this.#readable(path);
    return open ? open.size() : readFile(this.#root, path, ({ size }) => size);
  }

  async readInto(path: string, offset: number, target: Uint8Array): Promise<void> {
    const found = await this.#read(path, offset, target);
    checkReadLength(path, { offset, expected: target.length, found });
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const open = this.#open.get(path) ?? (await this.#openFile(path, await makeFile(this.#root, path)));
    await open.write(offset, bytes);
  }

  async sync(path: string): Promise<void> {
    const open = this.#open.get(path);
    if (open === undefined) {
      // A file that is not open was flushed or swapped when it was closed.
      if ((await findFile(this.#root, path)) === undefined) throw noSuchFile(path);
      return;
    }
    await open.sync();
    if (this.#holders === 0) await this.#closeFile(path);
  }

  async rename(from: string, to: string): Promise<void> {
    for (const path of [from, to]) await this.#closeFile(path);
    await moveFile(this.#root, { from, to });
  }

  async remove(path: string): Promise<void> {
    await this.#closeFile(path);
    await removeFile(this.#root, path);
  }

  list(folder: string): Promise<string[]> {
    return listFiles(this.#root, folder);
  }

  async close(): Promise<void> {
    for (const path of [...this.#open.keys()]) await this.#closeFile(path);
  }

  async #read(path: string, offset: number, target: Uint8Array): Promise<number> {
    const open = await this.#readable(path);
    if (open) return open.read(offset, target);
    if (this.#holders > 0 && SyncAccessFile.isAvailable()) {
      const file = await findFile(this.#root, path);
      if (file === undefined) throw noSuchFile(path);
      return ((await this.#openFile(path, file)) as SyncAccessFile).read(offset, target);
    }
    const found = await readFile(this.#root, path, async (file) => {
      const bytes = new Uint8Array(await file.slice(offset, offset + target.length).arrayBuffer());
      target.set(bytes);
      return bytes.length;
    });
    if (found === undefined) throw noSuchFile(path);
    return found;
  }

  /** @returns an open file that can be read; one that cannot be read while it is open is closed */
  async #readable(path: string): Promise<SyncAccessFile | undefined> {
    const open = this.#open.get(path);
    if (open instanceof SyncAccessFile) return open;
    await this.#closeFile(path);
    return undefined;
  }

  async #openFile(path: string, file: FileSystemFileHandle): Promise<OpenFile> {
    const open = await openForWriting(this.#root, path, file);
    this.#open.set(path, open);
    return open;
  }

  async #closeFile(path: string): Promise<void> {
    const open = this.#open.get(path);
    this.#open.delete(path);
    await open?.close();
  }
}
