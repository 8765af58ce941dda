/** A file that is held open for writing. */
export interface OpenFile {
  size(): Promise<number>;
  /** @returns how many bytes there were; fewer than asked for at the file's end */
  read(offset: number, target: Uint8Array): Promise<number>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What dedicated workers have; the types of the standard library know it for workers alone. */
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

/** Whether this is a dedicated worker, whose files are read and written at once and belong to who holds them open. */
export function hasSyncAccess(): boolean {
  return 'createSyncAccessHandle' in FileSystemFileHandle.prototype;
}

/** Opens a file for writing, by the better of the two ways that there may be. */
export async function openForWriting(file: WorkerFileHandle): Promise<OpenFile> {
  const handle = await file.createSyncAccessHandle?.();
  return handle === undefined ? new SwappedFile(file) : new HeldFile(handle);
}

/** Reads a file that is not held open. @returns how many bytes there were */
export async function readSnapshot(
  file: FileSystemFileHandle,
  offset: number,
  target: Uint8Array,
): Promise<number> {
  const part = (await file.getFile()).slice(offset, offset + target.length);
  const bytes = new Uint8Array(await part.arrayBuffer());
  target.set(bytes);
  return bytes.length;
}

/** A file in a worker. Nobody else opens it for writing meanwhile. */
class HeldFile implements OpenFile {
  readonly #handle: SyncAccessHandle;
  #isFlushed = true;

  constructor(handle: SyncAccessHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return this.#handle.getSize();
  }

  async read(offset: number, target: Uint8Array): Promise<number> {
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
 * A file outside of workers: writes go to a copy of it, which takes its place, at once, when it is closed. A write that fails
 * takes those since the last `sync` with it.
 */
class SwappedFile implements OpenFile {
  readonly #file: FileSystemFileHandle;
  #swap: FileSystemWritableFileStream | undefined;

  constructor(file: FileSystemFileHandle) {
    this.#file = file;
  }

  async size(): Promise<number> {
    await this.close();
    return (await this.#file.getFile()).size;
  }

  async read(offset: number, target: Uint8Array): Promise<number> {
    await this.close();
    return readSnapshot(this.#file, offset, target);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#swap ??= await this.#file.createWritable({ keepExistingData: true });
    try {
      const data = bytes as Uint8Array<ArrayBuffer>;
      await this.#swap.write({ type: 'write', position: offset, data });
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
    await swap?.close();
  }
}
