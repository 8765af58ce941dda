import {
  CHUNK_BYTES,
  checkTensorInfos,
  type ModelFiles,
  openPlacedStore,
  type PlacedTensor,
  type WeightStore,
} from '../model/index.js';
import { crc32 } from './crc32.js';
import type { Deflated } from './inflated-entry.js';
import { openInflatedFiles } from './inflated-files.js';
import { placeNpy } from './npy.js';
import { readZip, type ZipEntry } from './zip.js';

/**
 * Opens the arrays of a NumPy archive (`.npz`) as a store. Writes go to the file in place; `flush` brings the archive's checksums
 * up to date. What `numpy.savez_compressed` has compressed can be read only.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for other compression than deflate and what `openNpyStore` does not
 *   support
 */
export async function openNpzStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const entries = (await readZip(files, path)).filter(({ name }) => name.endsWith('.npy'));
  const entryOf = new Map(entries.map((entry) => [tensorName(entry), entry]));
  const inflated = openInflatedFiles(files, deflatedOf(path, entries));
  const tensors: PlacedTensor[] = [];
  for (const entry of entries) tensors.push(await placeEntry(inflated, path, entry));
  checkTensorInfos(tensors);
  const store = openPlacedStore(inflated, tensors);
  const changed = new Set<ZipEntry>();
  return {
    ...store,
    async write(name, byteOffset, bytes) {
      const entry = entryOf.get(name);
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

const tensorName = ({ name }: ZipEntry): string => name.slice(0, -'.npy'.length);

/** No file of a folder has such a path. */
const inflatedPath = (path: string, { name }: ZipEntry): string => `${path}\0${name}`;

function deflatedOf(path: string, entries: readonly ZipEntry[]): Map<string, Deflated> {
  const deflated = entries.flatMap((entry): [string, Deflated][] =>
    entry.deflated ? [[inflatedPath(path, entry), { ...entry, ...entry.deflated, path }]] : [],
  );
  return new Map(deflated);
}

async function placeEntry(files: ModelFiles, path: string, entry: ZipEntry): Promise<PlacedTensor> {
  const { start, end, deflated } = entry;
  if (!deflated) return placeNpy(files, { path, start, end }, tensorName(entry));
  const range = { path: inflatedPath(path, entry), start: 0, end: deflated.length };
  return { ...(await placeNpy(files, range, tensorName(entry))), isReadOnly: true };
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
