import { NeuralDiffError } from '../model/index.js';
import { type BrowserDisk, makeBrowserDisk } from './browser-disk.js';
import { IndexedDbFiles } from './indexeddb-files.js';
import { openDatabase } from './indexeddb-transactions.js';

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
  return makeBrowserDisk(new IndexedDbFiles(database), { prefix: `neural-diff/database/${name}/` });
}
