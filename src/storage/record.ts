import { concatBytes, equalBytes, NeuralDiffError } from '../model/index.js';
import { xxh64 } from '../payload/index.js';
import { type Disk, folderOf } from './disk.js';

/** Bytes of the checksum at a record's end. */
const CHECKSUM_BYTES = 8;

/** Most bytes of a record. */
const MAX_RECORD_BYTES = 2 ** 24;

/**
 * Reads a small file that `writeRecord` wrote.
 *
 * @returns its content; undefined where there is none
 * @throws NeuralDiffError `storage-mismatch` for one that was not written so
 */
export async function readRecord(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  const size = await disk.size(path);
  if (size === undefined) return undefined;
  if (size < CHECKSUM_BYTES || size > MAX_RECORD_BYTES) throw damaged(path);
  const bytes = new Uint8Array(size);
  await disk.readInto(path, 0, bytes);
  const content = bytes.subarray(0, size - CHECKSUM_BYTES);
  if (!equalBytes(await xxh64(content), bytes.subarray(content.length))) throw damaged(path);
  return content;
}

/** Writes a small file whole or not at all, whatever was there before; it is durable when the promise settles. */
export async function writeRecord(disk: Disk, path: string, content: Uint8Array): Promise<void> {
  const staged = `${path}.new`;
  await disk.remove(staged);
  await disk.write(staged, 0, concatBytes([content, await xxh64(content)]));
  await disk.sync(staged);
  await disk.rename(staged, path);
  await disk.syncNames(folderOf(path));
}

/** Removes a record; it is gone for good when the promise settles. */
export async function removeRecord(disk: Disk, path: string): Promise<void> {
  await disk.remove(path);
  await disk.syncNames(folderOf(path));
}

function damaged(path: string): NeuralDiffError {
  return new NeuralDiffError('storage-mismatch', `Cannot trust "${path}": it is not what was written`);
}
