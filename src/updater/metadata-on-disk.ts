import { NeuralDiffError } from '../model/index.js';
import type { MetadataStore } from '../release/index.js';
import { readRecord, removeRecord, writeRecord } from '../storage/index.js';
import type { StatePlace } from './state.js';

/** Keeps what a device trusts on a disk. A file that is damaged counts for none: it is fetched again. */
export function metadataOnDisk({ disk, folder }: StatePlace): MetadataStore {
  const pathOf = (name: string): string => `${folder}/trust/${name}`;
  return {
    read: (name) =>
      readRecord(disk, pathOf(name)).catch((error) => {
        if (error instanceof NeuralDiffError && error.code === 'storage-mismatch') return undefined;
        throw error;
      }),
    write: (name, bytes) => writeRecord(disk, pathOf(name), bytes),
    remove: (name) => removeRecord(disk, pathOf(name)),
  };
}
