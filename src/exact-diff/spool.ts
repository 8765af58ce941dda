import { concatBytes } from '../model/index.js';
import { type ByteSource, sourceOf } from '../payload/index.js';

/** Where a record's bytes wait until the last of them is known. */
export interface Spool {
  /** Takes the next bytes; they are valid during the call alone. */
  write(bytes: Uint8Array): void;
  /** @returns all bytes that were written */
  read(): ByteSource;
}

/** @returns a spool in memory */
export function createMemorySpool(): Spool {
  const pieces: Uint8Array[] = [];
  return {
    write: (bytes) => void pieces.push(bytes.slice()),
    read: () => sourceOf(concatBytes(pieces)),
  };
}
