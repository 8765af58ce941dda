import { checkInside, NeuralDiffError } from '../model/index.js';
import type { BrowserDisk } from './browser-disk.js';
import { withBrowserErrors } from './browser-errors.js';
import { IndexedDbFiles } from './indexeddb-files.js';
import { openDatabase } from './indexeddb-transactions.js';
import { createQueue } from './queue.js';
import { holdWebLock } from './web-lock.js';

/** Which database is the disk. */
export interface IndexedDbOptions {
  /** Its name, among those of the origin; nothing else may be in it. It is made where it is not there. */
  readonly database: string;
}

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
export async function openIndexedDbDisk({ database: name }: IndexedDbOptions): Promise<BrowserDisk> {
  if (typeof indexedDB === 'undefined') {
    throw new NeuralDiffError(
      'file-unreadable',
      `Cannot open the database "${name}": there is no IndexedDB here`,
    );
  }
  const database = await openDatabase(name);
  const files = new IndexedDbFiles(database);
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
    // A name is durable with the transaction that gave it.
    syncNames: async () => {},
    exclusively: async (name_, act) => holdWebLock(`neural-diff/database/${name}/${checkInside(name_)}`, act),
    close: () => run('close', '', async () => database.close()),
  };
}
