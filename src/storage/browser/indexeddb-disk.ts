import { NeuralDiffError } from '../../model/errors.js';
import { type BrowserDisk, checkWhole, makeBrowserDisk, noSuchFile } from './browser-disk.js';
import { openDatabase, resultOf, type Stores, transact } from './indexeddb-transactions.js';

/**
 * Opens an IndexedDB database as a disk, in pages and workers alike: files in chunks of 64 KiB. Writes wait in memory, 4 MiB of
 * them at most, and are written together, at the latest by `sync`; names change in one transaction.
 *
 * Every transaction asks for strict durability: the browser reports it done when the operating system has written it to
 * the medium. This is the only promise that browsers make about power cuts. Under pressure a browser may remove an origin's
 * databases, unless `navigator.storage.persist()` was granted.
 *
 * @throws NeuralDiffError `file-unreadable` where there is no IndexedDB, or a database of a newer version
 */
export async function openIndexedDbDisk({ database: name }: { database: string }): Promise<BrowserDisk> {
  if (typeof indexedDB === 'undefined') {
    throw new NeuralDiffError(
      'file-unreadable',
      `Cannot open the database "${name}": there is no IndexedDB here`,
    );
  }
  const database = await openDatabase(name);
  return makeBrowserDisk(new IndexedDbFiles(database), { prefix: `neural-diff/database/${name}/` });
}

/** Bytes that are kept as one value. */
const CHUNK_BYTES = 2 ** 16;

/** Bytes of chunks that wait in memory to be written together, and that are read together. */
const MAX_WAITING_BYTES = 2 ** 22;

/** A file, some of whose chunks wait to be written. */
interface Waiting {
  readonly file: number;
  size: number;
  readonly chunks: Map<number, Uint8Array>;
}

/** What the database says of a file. */
interface Found {
  readonly file: number;
  readonly size: number;
}

/** Files in a database, one operation at a time. */
export class IndexedDbFiles {
  readonly #database: IDBDatabase;
  readonly #waiting = new Map<string, Waiting>();
  /** Errors of files whose waiting writes were lost while another file was written. */
  readonly #lost = new Map<string, unknown>();
  #waitingChunks = 0;

  constructor(database: IDBDatabase) {
    this.#database = database;
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  async size(path: string): Promise<number | undefined> {
    const waiting = this.#waiting.get(path);
    return waiting ? waiting.size : (await this.#find(path))?.size;
  }

  async readInto(path: string, offset: number, target: Uint8Array): Promise<void> {
    for (let at = 0; at === 0 || at < target.length; at += MAX_WAITING_BYTES)
      await this.#readPiece(path, offset + at, target.subarray(at, at + MAX_WAITING_BYTES));
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const waiting = this.#waiting.get(path) ?? (await this.#make(path));
    for (let at = 0; at < bytes.length; ) {
      const start = (offset + at) % CHUNK_BYTES;
      const piece = bytes.subarray(at, at + CHUNK_BYTES - start);
      await this.#writePiece(path, waiting, { index: (offset + at - start) / CHUNK_BYTES, start, piece });
      at += piece.length;
      waiting.size = Math.max(waiting.size, offset + at);
    }
  }

  async sync(path: string): Promise<void> {
    const lost = this.#lost.get(path);
    this.#lost.delete(path);
    if (lost !== undefined) throw lost;
    if (this.#waiting.has(path)) await this.#flush(path);
    else if ((await this.#find(path)) === undefined) throw noSuchFile(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#mutate(async (stores) => {
      await this.#putWaiting(stores, from);
      const found = await findIn(stores, from);
      if (found === undefined) throw noSuchFile(from);
      if (from === to) return;
      await removeFrom(stores, to);
      await resultOf(stores.names.delete(from));
      await resultOf(stores.names.put(found.file, to));
    });
    for (const path of [from, to]) this.#drop(path);
  }

  async remove(path: string): Promise<void> {
    this.#drop(path);
    await this.#mutate((stores) => removeFrom(stores, path));
  }

  async list(folder: string): Promise<string[]> {
    const start = folder === '' ? '' : `${folder}/`;
    // `/` and what comes next after it: all that lies between begins with the folder's path.
    const range = folder === '' ? undefined : IDBKeyRange.bound(start, `${folder}0`, false, true);
    return transact(this.#database, 'readonly', async ({ names }) => {
      return (await resultOf(names.getAllKeys(range))) as string[];
    });
  }

  /** Writes all that waits. The writer of one file hears of its errors now, those of others when they sync. */
  async #flushAll(caller: string): Promise<void> {
    for (const path of [...this.#waiting.keys()]) {
      try {
        await this.#flush(path);
      } catch (error) {
        if (path !== caller) this.#lost.set(path, error);
        throw error;
      }
    }
  }

  #mutate<T>(act: (stores: Stores) => Promise<T>): Promise<T> {
    return transact(this.#database, 'readwrite', act);
  }

  #find(path: string): Promise<Found | undefined> {
    return transact(this.#database, 'readonly', (stores) => findIn(stores, path));
  }

  async #readPiece(path: string, offset: number, target: Uint8Array): Promise<void> {
    const waiting = this.#waiting.get(path);
    const end = offset + target.length;
    await transact(this.#database, 'readonly', async (stores) => {
      const found = waiting ?? (await findIn(stores, path));
      if (found === undefined) throw noSuchFile(path);
      const within = Math.max(0, Math.min(found.size, end) - offset);
      checkWhole(path, { offset, expected: target.length, found: within });
      const copies: Promise<void>[] = [];
      for (let index = Math.floor(offset / CHUNK_BYTES); index * CHUNK_BYTES < end; index++) {
        const chunk = waiting?.chunks.get(index) ?? readChunk(stores, found.file, index);
        copies.push(
          Promise.resolve(chunk).then((bytes) => copyOver(target, index * CHUNK_BYTES - offset, bytes)),
        );
      }
      await Promise.all(copies);
    });
  }

  /** Makes a file where there is none. @returns the file, of which nothing waits */
  async #make(path: string): Promise<Waiting> {
    const found =
      (await this.#find(path)) ??
      (await this.#mutate(async (stores) => {
        const file = (await resultOf(stores.files.add(0))) as number;
        await resultOf(stores.names.put(file, path));
        return { file, size: 0 };
      }));
    return { ...found, chunks: new Map() };
  }

  /** Writes a part of a chunk into memory. */
  async #writePiece(
    path: string,
    waiting: Waiting,
    { index, start, piece }: { index: number; start: number; piece: Uint8Array },
  ): Promise<void> {
    const known = waiting.chunks.get(index);
    if (known === undefined && (this.#waitingChunks + 1) * CHUNK_BYTES > MAX_WAITING_BYTES)
      await this.#flushAll(path);
    const whole = known ?? new Uint8Array(CHUNK_BYTES);
    if (known === undefined && piece.length < CHUNK_BYTES) {
      const before = await transact(this.#database, 'readonly', (stores) =>
        readChunk(stores, waiting.file, index),
      );
      if (before) whole.set(before);
    }
    whole.set(piece, start);
    if (known === undefined) this.#waitingChunks++;
    waiting.chunks.set(index, whole);
    this.#waiting.set(path, waiting);
  }

  /** What cannot be written is lost, with all that waited of the file. */
  async #flush(path: string): Promise<void> {
    try {
      await this.#mutate((stores) => this.#putWaiting(stores, path));
    } finally {
      this.#forget(path);
    }
  }

  async #putWaiting(stores: Stores, path: string): Promise<void> {
    const waiting = this.#waiting.get(path);
    if (waiting === undefined) return;
    const { file, size, chunks } = waiting;
    // Another tab may have removed or replaced it.
    if ((await findIn(stores, path))?.file !== file) throw noSuchFile(path);
    const puts = [...chunks].map(([index, bytes]) =>
      resultOf(stores.chunks.put(bytes.subarray(0, size - index * CHUNK_BYTES).slice(), [file, index])),
    );
    await Promise.all([...puts, resultOf(stores.files.put(size, file))]);
  }

  /** Forgets all of a file. */
  #drop(path: string): void {
    this.#forget(path);
    this.#lost.delete(path);
  }

  /** Forgets what waits of a file. */
  #forget(path: string): void {
    const waiting = this.#waiting.get(path);
    this.#waiting.delete(path);
    this.#waitingChunks -= waiting?.chunks.size ?? 0;
    waiting?.chunks.clear();
  }
}

async function findIn({ names, files }: Stores, path: string): Promise<Found | undefined> {
  const file = (await resultOf(names.get(path))) as number | undefined;
  return file === undefined ? undefined : { file, size: (await resultOf(files.get(file))) as number };
}

function readChunk({ chunks }: Stores, file: number, index: number): Promise<Uint8Array | undefined> {
  return resultOf(chunks.get([file, index]));
}

/** Removes a file and all its chunks; nothing where there is none. */
async function removeFrom(stores: Stores, path: string): Promise<void> {
  const found = await findIn(stores, path);
  if (found === undefined) return;
  await resultOf(stores.names.delete(path));
  await resultOf(stores.files.delete(found.file));
  // An array comes after every number.
  await resultOf(stores.chunks.delete(IDBKeyRange.bound([found.file], [found.file, []])));
}

/** Copies a chunk that begins at a place, before or after the target's, over the target; what it lacks is zeros. */
function copyOver(target: Uint8Array, at: number, chunk: Uint8Array | undefined): void {
  const [start, end] = [Math.max(0, at), Math.min(target.length, at + CHUNK_BYTES)];
  target.fill(0, start, end);
  if (chunk) target.set(chunk.subarray(start - at, end - at), start);
}
