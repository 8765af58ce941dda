import { NeuralDiffError } from '../../model/errors.js';
import { checkReadLength, noSuchFile } from '../disk.js';
import { type BrowserDisk, createBrowserDisk } from './browser-disk.js';
import { openDatabase, resultOf, type Stores, transact, whenWrittenBack } from './indexeddb-transactions.js';
import { Leases } from './leases.js';

/**
 * Opens an IndexedDB database as a disk, in pages and workers. Files are stored in chunks of 64 KiB.
 *
 * Up to 4 MiB of writes are buffered in memory and written together, at the latest by `sync`; a rename is one
 * transaction. Every transaction asks for strict durability: it completes when the operating system has
 * written it to the medium. This is the only guarantee that browsers make about power loss. Under storage
 * pressure a browser may delete an origin's databases, unless `navigator.storage.persist()` was granted.
 *
 * Where there are no Web Locks, as on pages from `http:`, locks are leases in the database: those of a page
 * that was closed end after five seconds, and a page that has lost one can no longer write.
 *
 * @throws NeuralDiffError `file-unreadable` if IndexedDB is not available, or for a database of a newer
 *   version
 */
export async function openIndexedDbDisk({ database: name }: { database: string }): Promise<BrowserDisk> {
  if (typeof indexedDB === 'undefined') {
    const message = `Cannot open the database "${name}": IndexedDB is not available`;
    throw new NeuralDiffError('file-unreadable', message);
  }
  const files = new IndexedDbFiles(await openDatabase(name));
  const withLease: BrowserDisk['withLock'] = (lock, run) => files.leases.hold(lock, run);
  return createBrowserDisk(files, { prefix: `neural-diff/database/${name}/`, withLease });
}

/** Bytes stored as one value. */
const CHUNK_BYTES = 2 ** 16;

/** Maximum bytes of chunks that are buffered, and that are read together. */
const MAX_BUFFERED_BYTES = 2 ** 22;

/** Buffered writes of a file. */
interface BufferedFile {
  readonly file: number;
  size: number;
  readonly chunks: Map<number, Uint8Array>;
}

/** A file's entry in the database. */
interface FileEntry {
  readonly file: number;
  readonly size: number;
}

/** Files in a database; operations must be serialised. */
class IndexedDbFiles {
  readonly leases = new Leases((operation) => this.#mutate(operation));
  readonly #database: IDBDatabase;
  readonly #buffered = new Map<string, BufferedFile>();
  /** Errors of files whose buffered writes were lost while another file was written. */
  readonly #lost = new Map<string, unknown>();
  #bufferedChunks = 0;

  constructor(database: IDBDatabase) {
    this.#database = database;
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  async size(path: string): Promise<number | undefined> {
    const buffered = this.#buffered.get(path);
    return buffered ? buffered.size : (await this.#find(path))?.size;
  }

  async readInto(path: string, offset: number, target: Uint8Array): Promise<void> {
    for (let at = 0; at === 0 || at < target.length; at += MAX_BUFFERED_BYTES)
      await this.#readPiece(path, offset + at, target.subarray(at, at + MAX_BUFFERED_BYTES));
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const buffered = this.#buffered.get(path) ?? (await this.#findOrCreate(path));
    for (let at = 0; at < bytes.length; ) {
      const start = (offset + at) % CHUNK_BYTES;
      const piece = bytes.subarray(at, at + CHUNK_BYTES - start);
      await this.#writePiece(path, buffered, { index: (offset + at - start) / CHUNK_BYTES, start, piece });
      at += piece.length;
      buffered.size = Math.max(buffered.size, offset + at);
    }
  }

  async sync(path: string): Promise<void> {
    const lost = this.#lost.get(path);
    this.#lost.delete(path);
    if (lost !== undefined) throw lost;
    if (this.#buffered.has(path)) await this.#flush(path);
    else if ((await this.#find(path)) === undefined) throw noSuchFile(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#mutate(async (stores) => {
      await this.#putChunks(stores, from);
      const found = await findIn(stores, from);
      if (found === undefined) throw noSuchFile(from);
      if (from === to) return;
      await removeFrom(stores, to);
      await resultOf(stores.names.delete(from));
      await resultOf(stores.names.put(found.file, to));
    });
    for (const path of [from, to]) this.#discardAll(path);
  }

  async remove(path: string): Promise<void> {
    this.#discardAll(path);
    await whenWrittenBack(() => this.#mutate((stores) => removeFrom(stores, path)));
  }

  async list(folder: string): Promise<string[]> {
    const start = folder === '' ? '' : `${folder}/`;
    // `0` is the character after `/`, so the range contains all paths that start with the folder's.
    const range = folder === '' ? undefined : IDBKeyRange.bound(start, `${folder}0`, false, true);
    return transact(this.#database, 'readonly', async ({ names }) => {
      return (await resultOf(names.getAllKeys(range))) as string[];
    });
  }

  /** Writes all buffers. Errors of other files than the caller's are also kept for their next `sync`. */
  async #flushAll(caller: string): Promise<void> {
    for (const path of [...this.#buffered.keys()]) {
      try {
        await this.#flush(path);
      } catch (error) {
        if (path !== caller) this.#lost.set(path, error);
        throw error;
      }
    }
  }

  #mutate<T>(operation: (stores: Stores) => Promise<T>): Promise<T> {
    return transact(this.#database, 'readwrite', async (stores) => {
      await this.leases.check(stores);
      return operation(stores);
    });
  }

  #find(path: string): Promise<FileEntry | undefined> {
    return transact(this.#database, 'readonly', (stores) => findIn(stores, path));
  }

  async #readPiece(path: string, offset: number, target: Uint8Array): Promise<void> {
    const buffered = this.#buffered.get(path);
    const end = offset + target.length;
    await transact(this.#database, 'readonly', async (stores) => {
      const found = buffered ?? (await findIn(stores, path));
      if (found === undefined) throw noSuchFile(path);
      const within = Math.max(0, Math.min(found.size, end) - offset);
      checkReadLength(path, { offset, expected: target.length, found: within });
      const copies: Promise<void>[] = [];
      for (let index = Math.floor(offset / CHUNK_BYTES); index * CHUNK_BYTES < end; index++) {
        const chunk = buffered?.chunks.get(index) ?? readChunk(stores, found.file, index);
        copies.push(
          Promise.resolve(chunk).then((bytes) => copyChunk(target, index * CHUNK_BYTES - offset, bytes)),
        );
      }
      await Promise.all(copies);
    });
  }

  /** Finds a file, or creates it if missing. @returns the file with an empty buffer */
  async #findOrCreate(path: string): Promise<BufferedFile> {
    const found =
      (await this.#find(path)) ??
      (await this.#mutate(async (stores) => {
        const file = (await resultOf(stores.files.add(0))) as number;
        await resultOf(stores.names.put(file, path));
        return { file, size: 0 };
      }));
    return { ...found, chunks: new Map() };
  }

  /** Writes a part of a chunk into the buffer. */
  async #writePiece(
    path: string,
    buffered: BufferedFile,
    { index, start, piece }: { index: number; start: number; piece: Uint8Array },
  ): Promise<void> {
    const known = buffered.chunks.get(index);
    if (known === undefined && (this.#bufferedChunks + 1) * CHUNK_BYTES > MAX_BUFFERED_BYTES)
      await this.#flushAll(path);
    const whole = known ?? new Uint8Array(CHUNK_BYTES);
    if (known === undefined && piece.length < CHUNK_BYTES) {
      const before = await transact(this.#database, 'readonly', (stores) =>
        readChunk(stores, buffered.file, index),
      );
      if (before) whole.set(before);
    }
    whole.set(piece, start);
    if (known === undefined) this.#bufferedChunks++;
    buffered.chunks.set(index, whole);
    this.#buffered.set(path, buffered);
  }

  /** Writes a file's buffer; on failure the buffered writes are lost. */
  async #flush(path: string): Promise<void> {
    try {
      await this.#mutate((stores) => this.#putChunks(stores, path));
    } finally {
      this.#discardBuffer(path);
    }
  }

  async #putChunks(stores: Stores, path: string): Promise<void> {
    const buffered = this.#buffered.get(path);
    if (buffered === undefined) return;
    const { file, size, chunks } = buffered;
    // Another tab may have removed or replaced the file.
    if ((await findIn(stores, path))?.file !== file) throw noSuchFile(path);
    const puts = [...chunks].map(([index, bytes]) =>
      resultOf(stores.chunks.put(bytes.subarray(0, size - index * CHUNK_BYTES).slice(), [file, index])),
    );
    await Promise.all([...puts, resultOf(stores.files.put(size, file))]);
  }

  /** Discards a file's buffer and error. */
  #discardAll(path: string): void {
    this.#discardBuffer(path);
    this.#lost.delete(path);
  }

  #discardBuffer(path: string): void {
    const buffered = this.#buffered.get(path);
    this.#buffered.delete(path);
    this.#bufferedChunks -= buffered?.chunks.size ?? 0;
    buffered?.chunks.clear();
  }
}

async function findIn({ names, files }: Stores, path: string): Promise<FileEntry | undefined> {
  const file = (await resultOf(names.get(path))) as number | undefined;
  return file === undefined ? undefined : { file, size: (await resultOf(files.get(file))) as number };
}

function readChunk({ chunks }: Stores, file: number, index: number): Promise<Uint8Array | undefined> {
  return resultOf(chunks.get([file, index]));
}

/** Removes a file and its chunks; does nothing for a missing file. */
async function removeFrom(stores: Stores, path: string): Promise<void> {
  const found = await findIn(stores, path);
  if (found === undefined) return;
  await resultOf(stores.names.delete(path));
  await resultOf(stores.files.delete(found.file));
  // In key order, an array comes after every number.
  await resultOf(stores.chunks.delete(IDBKeyRange.bound([found.file], [found.file, []])));
}

/**
 * Copies a chunk to an offset of the target, which may be negative; bytes missing from the chunk become
 * zeros.
 */
function copyChunk(target: Uint8Array, at: number, chunk: Uint8Array | undefined): void {
  const [start, end] = [Math.max(0, at), Math.min(target.length, at + CHUNK_BYTES)];
  target.fill(0, start, end);
  if (chunk) target.set(chunk.subarray(start - at, end - at), start);
}
