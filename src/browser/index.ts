export type { BrowserDisk } from './browser-disk.js';
export { type IndexedDbOptions, openIndexedDbDisk } from './indexeddb-disk.js';
export { type OpfsOptions, openOpfsDisk } from './opfs-disk.js';
