import { checkInside } from '../model/index.js';
import type { Disk } from '../storage/index.js';
import { withBrowserErrors } from './browser-errors.js';
import { createQueue } from './queue.js';
import { holdWebLock } from './web-lock.js';

/** A disk that holds files, or a database, open: close it. */
export interface BrowserDisk extends Disk {
  close(): Promise<void>;
}

/** Files of a browser, whose calls are not made side by side. */
export interface BrowserFiles extends Omit<Disk, 'syncNames' | 'exclusively'> {
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
    syncNames: async () => {},
    exclusively: async (name, act) =>
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
