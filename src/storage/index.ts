export { type Disk, folderOf, type OpenSource } from './disk.js';
export { filesOnDisk, type ModelPlace } from './disk-files.js';
export { type InPlaceOptions, openInPlace } from './in-place.js';
export { readRecord, removeRecord, writeRecord } from './record.js';
export { installSlots, openSlots, type SlotOptions, type SlotStorage } from './slots.js';
export {
  type ModelStorage,
  nameOf,
  onTrial,
  type StorageStatus,
  type UpdateNames,
  type UpdateTerms,
} from './storage.js';
