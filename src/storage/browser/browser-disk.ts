import { type ErrorCode, NeuralDiffError } from '../../model/errors.js';
import { checkInside } from '../../model/model-files.js';
import { createQueue, type Disk } from '../disk.js';

/** A disk with open files or an open database; it must be closed. */
export interface BrowserDisk extends Disk {
  close(): Promise<void>;
}

/** Files of a browser; calls are made one at a time. */
interface BrowserFiles extends Omit<Disk, 'syncDirectory' | 'withLock' | 'freeBytes'> {
  close(): Promise<void>;
}

/** How a disk takes locks. */
interface LockOptions {
  /** Prefix of the lock's name, which is shared by all pages of the origin. */
  readonly prefix: string;
  /** Called after a lock is taken. */
  onLock?(): void;
  /** Called before a lock is released. */
  onUnlock?(): Promise<void>;
  /** Takes locks where the browser has no Web Locks. */
  withLease?: BrowserDisk['withLock'];
}

/** Makes a disk from files: serialises calls, checks paths and converts errors. */
export function createBrowserDisk(files: BrowserFiles, lockOptions: LockOptions): BrowserDisk {
  const { prefix, onLock, onUnlock, withLease } = lockOptions;
  const queue = createQueue();
  const run = <T>(action: string, path: string, operation: () => Promise<T>): Promise<T> =>
    queue(() => {
      if (path !== '') checkInside(path);
      return withBrowserErrors(`Cannot ${action} "${path}"`, operation);
    });
  return {
    size: (path) => run('read', path, () => files.size(path)),
    readInto: (path, offset, target) => run('read', path, () => files.readInto(path, offset, target)),
    write: (path, offset, bytes) => run('write', path, () => files.write(path, offset, bytes)),
    sync: (path) => run('write', path, () => files.sync(path)),
    rename: (from, to) => run('rename', from, () => files.rename(from, checkInside(to))),
    remove: (path) => run('remove', path, () => files.remove(path)),
    list: (path) => run('list', path, () => files.list(path)),
    freeBytes,
    // Names in a database are durable with their transaction; private files have no such call.
    syncDirectory: async () => {},
    withLock: async (name, operation) =>
      hasWebLocks() || withLease === undefined
        ? withWebLock(prefix + checkInside(name), async () => {
            onLock?.();
            try {
              return await operation();
            } finally {
              if (onUnlock) await run('close', '', onUnlock);
            }
          })
        : withLease(checkInside(name), operation),
    close: () => run('close', '', () => files.close()),
  };
}

/** @returns the browser's estimate of what the origin may still store; undefined where it has none */
async function freeBytes(): Promise<number | undefined> {
  // Missing in insecure contexts, despite the type.
  const storage = navigator.storage as Partial<StorageManager> | undefined;
  const { quota, usage = 0 } = (await storage?.estimate?.()) ?? {};
  return quota === undefined ? undefined : quota - usage;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  NotFoundError: 'file-not-found',
  QuotaExceededError: 'no-space',
  // Another tab or worker has the file open for writing.
  NoModificationAllowedError: 'locked',
};

/**
 * Runs an operation on a browser's storage and converts `DOMException` and `TypeError` to `NeuralDiffError`.
 *
 * @param prefix start of the error message, for example `Cannot read "model.json"`
 * @throws NeuralDiffError `file-not-found`, `no-space`, `locked`, otherwise `file-unreadable`; other errors
 *   unchanged
 */
export async function withBrowserErrors<T>(prefix: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (!(cause instanceof DOMException || cause instanceof TypeError)) throw cause;
    const code = CODES[cause.name] ?? 'file-unreadable';
    throw new NeuralDiffError(code, `${prefix}: ${cause.message}`, { cause });
  }
}

/** @returns whether the browser has Web Locks; pages from `http:` have none, despite the type */
const hasWebLocks = (): boolean => (navigator.locks as LockManager | undefined) !== undefined;

/**
 * Runs an operation while holding a lock that excludes other tabs, workers and calls of this origin.
 *
 * The browser releases the lock when a page is closed, reloaded or killed, so there are no stale locks.
 *
 * @throws NeuralDiffError `locked` if the lock is taken; `file-unreadable` if Web Locks are not available
 */
async function withWebLock<T>(name: string, run: () => Promise<T>): Promise<T> {
  if (!hasWebLocks()) {
    const message = `Cannot lock "${name}": Web Locks are not available; serve the page from https or localhost`;
    throw new NeuralDiffError('file-unreadable', message);
  }
  return navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock !== null) return run();
    throw new NeuralDiffError('locked', `Cannot lock "${name}": another tab or worker holds it`);
  });
}
