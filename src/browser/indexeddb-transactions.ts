import { NeuralDiffError } from '../model/index.js';
import { withBrowserErrors } from './browser-errors.js';

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
 * Opens a database, made where it is not there. It lets go when another tab wants to delete it or to change its version.
 *
 * @throws NeuralDiffError `locked` where another tab holds an older version open; `file-unreadable`
 */
export async function openDatabase(name: string): Promise<IDBDatabase> {
  const doing = `Cannot open the database "${name}"`;
  const database = await withBrowserErrors(
    doing,
    () =>
      new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open(name, VERSION);
        let isGivenUp = false;
        opening.onupgradeneeded = () => makeStores(opening.result);
        opening.onblocked = () => {
          isGivenUp = true;
          reject(new NeuralDiffError('locked', `${doing}: another tab holds an older version of it open`));
        };
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => (isGivenUp ? opening.result.close() : resolve(opening.result));
      }),
  );
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
