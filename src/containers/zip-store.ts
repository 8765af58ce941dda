import {
  CHUNK_BYTES,
  type ModelFiles,
  openPlacedStore,
  type PlacedTensor,
  type WeightStore,
} from '../model/index.js';
import { crc32 } from './crc32.js';
import type { ZipEntry } from './zip.js';

/** An archive, and the entry that each of its tensors lies in. */
export interface ZipFile {
  readonly files: ModelFiles;
  readonly path: string;
  entryOf(name: string): ZipEntry | undefined;
}

/**
 * Opens tensors that lie in a zip archive. Writes go to the file in place; `flush` brings the archive's checksums up to date. They go the
 * way of all writes, so that a journal has them too; without one, a cut before the end of `flush` may leave those of the base.
 *
 * @param archive its files are closed with the store
 * @param tensors where they lie in the archive
 */
export function openZipStore(archive: ZipFile, tensors: readonly PlacedTensor[]): WeightStore {
  const { files, path } = archive;
  const store = openPlacedStore(files, tensors);
  const changed = new Set<ZipEntry>();
  return {
    ...store,
    async write(name, byteOffset, bytes) {
      const entry = archive.entryOf(name);
      if (entry && !entry.deflated) changed.add(entry);
      await store.write(name, byteOffset, bytes);
    },
    async flush() {
      for (const entry of changed) await writeChecksums(files, path, entry);
      changed.clear();
      await store.flush();
    },
  };
}

async function writeChecksums(
  files: ModelFiles,
  path: string,
  { start, end, checksums }: ZipEntry,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, end - start));
  let crc = 0;
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - at));
    await files.readInto(path, at, chunk);
    crc = crc32(chunk, crc);
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, crc, true);
  for (const offset of checksums) await files.write(path, offset, bytes);
}
