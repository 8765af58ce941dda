import { checkWhole, noSuchFile } from './browser-errors.js';
import { hasSyncAccess, type OpenFile, openForWriting, readSnapshot } from './opfs-open-file.js';
import { findFile, listFiles, makeFile, moveFile, removeFile } from './opfs-tree.js';

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
