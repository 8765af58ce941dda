import { checkInside, NeuralDiffError } from '../model/index.js';
import { type BrowserDisk, makeBrowserDisk } from './browser-disk.js';
import { withBrowserErrors } from './browser-errors.js';
import { OpfsFiles } from './opfs-files.js';
import { makeFolder } from './opfs-tree.js';

/** Which part of the Origin Private File System is the disk. */
export interface OpfsOptions {
  /** A folder of it, made where it is not there; default the outermost one. */
  readonly folder?: string;
}

/**
 * Opens the Origin Private File System, or a folder of it, as a disk: in dedicated workers, where it is fast, and in pages,
 * where each `sync` of a file, and each read of one behind a write, copies the file once.
 *
 * What is written and synced outlives tabs, workers and browsers that are closed, reloaded or killed at any moment. About
 * power cuts browsers promise less: in a worker `sync` flushes the file, in a page it waits for the browser to swap files,
 * and nothing makes names durable, so that `syncNames` has nothing to do. A record that a power cut damaged is noticed
 * (`storage-mismatch`). Where that is not enough, see `openIndexedDbDisk`. Under pressure a browser may remove all of an
 * origin's files, unless `navigator.storage.persist()` was granted.
 *
 * @throws NeuralDiffError `file-unreadable` where there is no such file system, as in pages without a secure connection;
 * `unsafe-path`
 */
export async function openOpfsDisk({ folder = '' }: OpfsOptions = {}): Promise<BrowserDisk> {
  const files = new OpfsFiles(await openRoot(folder === '' ? '' : checkInside(folder)));
  return makeBrowserDisk(files, {
    prefix: `neural-diff/files/${folder}/`,
    hold: () => files.hold(),
    letGo: () => files.letGo(),
  });
}

async function openRoot(folder: string): Promise<FileSystemDirectoryHandle> {
  // Without a secure connection there is neither, whatever the types say.
  const storage = navigator.storage as Partial<StorageManager> | undefined;
  if (storage?.getDirectory === undefined) {
    const message =
      'Cannot open private files: this browser, or a page without a secure connection, has none';
    throw new NeuralDiffError('file-unreadable', message);
  }
  const root = storage.getDirectory();
  return withBrowserErrors('Cannot open private files', async () => makeFolder(await root, folder));
}
