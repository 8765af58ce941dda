import { withBrowserErrors } from './browser-disk.js';

const VERSION = 1;

/** The object stores of a transaction. */
export interface Stores {
  /** File number by path. */
  readonly names: IDBObjectStore;
  /** File size by file number; numbers are never reused. */
  readonly files: IDBObjectStore;
  /** File content by file number and chunk index: `[file, index]`. Missing bytes are zeros. */
  readonly chunks: IDBObjectStore;
}

/**
 * Opens a database, or creates it if missing.
 *
 * It closes when another tab deletes it or changes its version, so that the other tab is not blocked; later
 * operations fail.
 *
 * @throws NeuralDiffError `file-unreadable`, also for a database of a newer version
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
 * Runs an operation in one transaction: all of its changes are made, durably as far as browsers guarantee, or
 * none.
 *
 * @param operation the operation; it must not await anything but requests
 */
export async function transact<T>(
  database: IDBDatabase,
  mode: 'readonly' | 'readwrite',
  operation: (stores: Stores) => Promise<T>,
): Promise<T> {
  const transaction = database.transaction(['names', 'files', 'chunks'], mode, { durability: 'strict' });
  const completed = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(new DOMException('the browser aborted the transaction', 'AbortError'));
  });
  completed.catch(() => {
    // Handled by the await below.
  });
  const store = (name: keyof Stores): IDBObjectStore => transaction.objectStore(name);
  try {
    const result = await operation({ names: store('names'), files: store('files'), chunks: store('chunks') });
    await completed;
    return result;
  } catch (error) {
    abort(transaction);
    throw transaction.error ?? error;
  }
}

/** @returns the result of a request */
export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Milliseconds between attempts to remove from a full database, and their number. */
const [WAIT_MS, ATTEMPTS] = [500, 10];

/**
 * Runs a removal. In a full database, Firefox refuses it too, until it has written back the log of what
 * failed.
 */
export async function whenWrittenBack<T>(removal: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await removal();
    } catch (error) {
      if ((error as Error).name !== 'QuotaExceededError' || attempt === ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
  }
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // The transaction has already finished.
  }
}
