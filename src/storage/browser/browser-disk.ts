import { type ErrorCode, NeuralDiffError } from '../../model/errors.js';
import { checkInside } from '../../model/model-files.js';
import type { Disk } from '../disk.js';

/** A disk that holds files, or a database, open: close it. */
export interface BrowserDisk extends Disk {
  close(): Promise<void>;
}

/** Files of a browser, whose calls are not made side by side. */
export interface BrowserFiles extends Omit<Disk, 'syncDirectory' | 'withLock'> {
  close(): Promise<void>;
}

/** What becomes of a disk's files while a lock is held. */
export interface LockTerms {
  /** Begins the lock's name, which is one for all pages of the origin. */
  readonly prefix: string;
  hold?(): void;
  letGo?(): Promise<void>;
}

/** Makes a disk of files: one call at a time, with paths checked and errors told in our words. */
export function makeBrowserDisk(files: BrowserFiles, { prefix, hold, letGo }: LockTerms): BrowserDisk {
  const queue = createQueue();
  const run = <T>(doing: string, path: string, act: () => Promise<T>): Promise<T> =>
    queue(() => {
      if (path !== '') checkInside(path);
      return withBrowserErrors(`Cannot ${doing} "${path}"`, act);
    });
  return {
    size: (path) => run('read', path, () => files.size(path)),
    readInto: (path, offset, target) => run('read', path, () => files.readInto(path, offset, target)),
    write: (path, offset, bytes) => run('write', path, () => files.write(path, offset, bytes)),
    sync: (path) => run('write', path, () => files.sync(path)),
    rename: (from, to) => run('rename', from, () => files.rename(from, checkInside(to))),
    remove: (path) => run('remove', path, () => files.remove(path)),
    list: (path) => run('list', path, () => files.list(path)),
    // A database's names are durable with the transaction that gave them; private files have no such call.
    syncDirectory: async () => {},
    withLock: async (name, act) =>
      holdWebLock(prefix + checkInside(name), async () => {
        hold?.();
        try {
          return await act();
        } finally {
          // Others may be waiting for the files.
          if (letGo) await run('close', '', letGo);
        }
      }),
    close: () => run('close', '', () => files.close()),
  };
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  NotFoundError: 'file-not-found',
  QuotaExceededError: 'no-space',
  // Another tab or worker has the file open for writing.
  NoModificationAllowedError: 'locked',
};

/**
 * Runs an operation on a browser's storage and turns what the browser throws into this package's errors.
 *
 * @param doing what was being done, as a sentence without its end: `Cannot read "model.json"`
 * @throws NeuralDiffError `file-not-found`, `no-space`, `locked`, else `file-unreadable`; errors of neither the browser nor
 * its types as they are
 */
export async function withBrowserErrors<T>(doing: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (!(cause instanceof DOMException || cause instanceof TypeError)) throw cause;
    throw new NeuralDiffError(CODES[cause.name] ?? 'file-unreadable', `${doing}: ${cause.message}`, {
      cause,
    });
  }
}

/** @throws NeuralDiffError `file-unreadable` where a file ends before what was to be read of it */
export function checkWhole(path: string, range: { offset: number; expected: number; found: number }): void {
  const { offset, expected, found } = range;
  if (found === expected) return;
  const message = `Cannot read "${path}": expected ${expected} bytes at ${offset}, got ${found}`;
  throw new NeuralDiffError('file-unreadable', message);
}

/** @returns the error for a path without a file */
export function noSuchFile(path: string): NeuralDiffError {
  return new NeuralDiffError('file-not-found', `Cannot open "${path}": there is no such file`);
}

/** Runs operations one after another, in the order of the calls. */
export type Queue = <T>(operation: () => Promise<T>) => Promise<T>;

/** @returns a queue with nothing in it */
export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (operation) => {
    const result = last.then(operation);
    last = result.catch(() => undefined);
    return result;
  };
}

/**
 * Runs something while no other tab, worker or call of this origin holds a lock of the same name. The browser takes the
 * lock back from whatever is closed, reloaded or killed: there are no stale locks.
 *
 * @throws NeuralDiffError `locked` where somebody holds the lock; `file-unreadable` where there are no Web Locks
 */
export async function holdWebLock<T>(name: string, run: () => Promise<T>): Promise<T> {
  // Pages that were not served over a secure connection have none, whatever the types say.
  const locks = navigator.locks as LockManager | undefined;
  if (locks === undefined) {
    const message = `Cannot lock "${name}": there are no Web Locks here; serve the page from https or localhost`;
    throw new NeuralDiffError('file-unreadable', message);
  }
  return locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock !== null) return run();
    throw new NeuralDiffError('locked', `Cannot lock "${name}": another tab or worker holds it`);
  });
}
