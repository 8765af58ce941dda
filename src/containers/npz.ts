import { checkTensorInfos, type ModelFiles, type WeightStore } from '../model/index.js';
import { placeNpy } from './npy.js';
import { readZip, type ZipEntry } from './zip.js';
import { openZipStore } from './zip-store.js';

/**
 * Opens the arrays of an uncompressed NumPy archive (`.npz`, as `numpy.savez` writes it) as a store. Writes go to the file
 * in place; `flush` brings the archive's checksums up to date.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for compressed archives and what `openNpyStore` does not support
 */
export async function openNpzStore(files: ModelFiles, path: string): Promise<WeightStore> {
  return openNpzEntries(files, path, await readZip(files, path));
}

/** Opens the arrays among an archive's entries. */
export async function openNpzEntries(
  files: ModelFiles,
  path: string,
  entries: readonly ZipEntry[],
): Promise<WeightStore> {
  const arrays = entries.filter(({ name }) => name.endsWith('.npy'));
  const entryOf = new Map(arrays.map((entry) => [entry.name.slice(0, -'.npy'.length), entry]));
  const tensors = [];
  for (const [name, { start, end }] of entryOf)
    tensors.push(await placeNpy(files, { path, start, end }, name));
  checkTensorInfos(tensors);
  return openZipStore({ files, path, entryOf: (name) => entryOf.get(name) }, tensors);
}
