import { openSwap } from './opfs-tree.js';

/** A file that is open for writing. */
export interface OpenFile {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Synchronous file access of dedicated workers, which the DOM types of pages lack. */
interface SyncAccessHandle {
  read(target: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle?(): Promise<SyncAccessHandle>;
}

/** Opens a file for writing, with synchronous access if available. @param file what is found at the path */
export async function openForWriting(
  root: FileSystemDirectoryHandle,
  path: string,
  file: WorkerFileHandle,
): Promise<OpenFile> {
  const handle = await file.createSyncAccessHandle?.();
  return handle === undefined ? new SwappedFile(root, path) : new SyncAccessFile(handle);
}

/** A file in a dedicated worker, with synchronous and exclusive access. */
export class SyncAccessFile implements OpenFile {
  readonly #handle: SyncAccessHandle;
  #isFlushed = true;

  constructor(handle: SyncAccessHandle) {
    this.#handle = handle;
  }

  /** @returns whether this is a dedicated worker */
  static isAvailable(): boolean {
    return 'createSyncAccessHandle' in FileSystemFileHandle.prototype;
  }

  size(): number {
    return this.#handle.getSize();
  }

  /** @returns the number of bytes read; fewer than requested at the end of the file */
  read(offset: number, target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const count = this.#handle.read(target.subarray(done), { at: offset + done });
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#isFlushed = false;
    for (let done = 0; done < bytes.length; ) {
      const count = this.#handle.write(bytes.subarray(done), { at: offset + done });
      if (count === 0) throw new DOMException('the browser wrote nothing', 'QuotaExceededError');
      done += count;
    }
  }

  async sync(): Promise<void> {
    this.#handle.flush();
    this.#isFlushed = true;
  }

  async close(): Promise<void> {
    try {
      if (!this.#isFlushed) this.#handle.flush();
    } finally {
      this.#handle.close();
    }
  }
}

/**
 * A file outside workers: writes go to a copy, which replaces the file atomically when it is closed; until
 * then it is not read. After a failed write, all writes since the last `sync` are lost.
 */
class SwappedFile implements OpenFile {
  readonly #root: FileSystemDirectoryHandle;
  readonly #path: string;
  #swap: Awaited<ReturnType<typeof openSwap>> | undefined;

  constructor(root: FileSystemDirectoryHandle, path: string) {
    this.#root = root;
    this.#path = path;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#swap ??= await openSwap(this.#root, this.#path);
    try {
      const data = bytes as Uint8Array<ArrayBuffer>;
      await this.#swap.stream.write({ type: 'write', position: offset, data });
    } catch (error) {
      this.#swap = undefined;
      throw error;
    }
  }

  sync(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    const swap = this.#swap;
    this.#swap = undefined;
    await swap?.stream.close();
    await swap?.takeEffect();
  }
}
