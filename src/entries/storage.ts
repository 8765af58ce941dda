// Models that survive power loss, on any disk; disks in browsers and apps.

export type { BrowserDisk } from '../storage/browser/browser-disk.js';
export { openIndexedDbDisk } from '../storage/browser/indexeddb-disk.js';
export { openOpfsDisk } from '../storage/browser/opfs-disk.js';
export { type Disk, filesOnDisk } from '../storage/disk.js';
export { openFileDisk, type PlainFiles } from '../storage/file-disk.js';
export { openInPlace } from '../storage/in-place.js';
export { type ModelCache, type ModelCacheOptions, openModelCache } from '../storage/model-cache.js';
export type { InPlaceOptions } from '../storage/own-journal.js';
export { installSlots, openSlots, type SlotOptions, type SlotStorage } from '../storage/slots.js';
export type { Fingerprints, ModelStorage, UpdateTerms } from '../storage/storage.js';
