import {
  CHUNK_BYTES,
  checkTensorInfos,
  type ModelFiles,
  openPlacedStore,
  type WeightStore,
} from '../model/index.js';
import { crc32 } from './crc32.js';
import { placeNpy } from './npy.js';
import { readZip, type ZipEntry } from './zip.js';

/**
 * Opens the arrays of an uncompressed NumPy archive (`.npz`, as `numpy.savez` writes it) as a store. Writes go to the file
 * in place; `flush` brings the archive's checksums up to date.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for compressed archives and what `openNpyStore` does not support
 */
export async function openNpzStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const entries = (await readZip(files, path)).filter(({ name }) => name.endsWith('.npy'));
  const entryOf = new Map(entries.map((entry) => [entry.name.slice(0, -'.npy'.length), entry]));
  const tensors = [];
  for (const [name, { start, end }] of entryOf)
    tensors.push(await placeNpy(files, { path, start, end }, name));
  checkTensorInfos(tensors);
  const store = openPlacedStore(files, tensors);
  const changed = new Set<ZipEntry>();
  return {
    ...store,
    async write(name, byteOffset, bytes) {
      const entry = entryOf.get(name);
      if (entry) changed.add(entry);
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
  const buffer = new Uint8Array(CHUNK_BYTES);
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
