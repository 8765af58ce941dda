import { withBrowserErrors } from './browser-disk.js';

const VERSION = 1;

/** What a transaction works on. */
export interface Stores {
  /** The number of the file at each path. */
  readonly names: IDBObjectStore;
  /** The size of each file, by its number; numbers are never used again. */
  readonly files: IDBObjectStore;
  /** The bytes of each file, by its number and theirs: `[file, index]`. What is missing is zeros. */
  readonly chunks: IDBObjectStore;
}

/**
 * Opens a database, made where it is not there. It lets go when another tab wants to delete it or to change its version, so
 * that it blocks nobody; what is asked of it from then on fails.
 *
 * @throws NeuralDiffError `file-unreadable`, for one of a newer version too
 */
export async function openDatabase(name: string): Promise<IDBDatabase> {
  const opening = (): Promise<IDBDatabase> => {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => makeStores(request.result);
    return resultOf(request);
  };
  const database = await withBrowserErrors(`Cannot open the database "${name}"`, opening);
  database.onversionchange = () => database.close();
  return database;
}

function makeStores(database: IDBDatabase): void {
  database.createObjectStore('names');
  database.createObjectStore('files', { autoIncrement: true });
  database.createObjectStore('chunks');
}

/**
 * Runs something in one transaction: all of it is done, and on the medium so far as the browser can tell, or nothing. It
 * must not wait for anything but requests.
 */
export async function transact<T>(
  database: IDBDatabase,
  mode: 'readonly' | 'readwrite',
  act: (stores: Stores) => Promise<T>,
): Promise<T> {
  const transaction = database.transaction(['names', 'files', 'chunks'], mode, { durability: 'strict' });
  const ended = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(new DOMException('the browser gave the transaction up', 'AbortError'));
  });
  ended.catch(() => {
    // Whoever waits for it below hears of it.
  });
  const store = (name: keyof Stores): IDBObjectStore => transaction.objectStore(name);
  try {
    const result = await act({ names: store('names'), files: store('files'), chunks: store('chunks') });
    await ended;
    return result;
  } catch (error) {
    abort(transaction);
    throw transaction.error ?? error;
  }
}

/** @returns what a request gives */
export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}
