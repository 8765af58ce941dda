import { checkTensorInfos, type ModelFiles, type PlacedTensor, type WeightStore } from '../model/index.js';
import type { Deflated } from './inflated-entry.js';
import { openInflatedFiles } from './inflated-files.js';
import { placeNpy } from './npy.js';
import { readZip, type ZipEntry } from './zip.js';
import { openZipStore } from './zip-store.js';

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
  return openNpzEntries(files, path, await readZip(files, path));
}

/** Opens the arrays among an archive's entries. */
export async function openNpzEntries(
  files: ModelFiles,
  path: string,
  entries: readonly ZipEntry[],
): Promise<WeightStore> {
  const arrays = entries.filter(({ name }) => name.endsWith('.npy'));
  const entryOf = new Map(arrays.map((entry) => [tensorName(entry), entry]));
  const inflated = openInflatedFiles(files, deflatedOf(path, arrays));
  const tensors: PlacedTensor[] = [];
  for (const entry of arrays) tensors.push(await placeEntry(inflated, path, entry));
  checkTensorInfos(tensors);
  return openZipStore({ files: inflated, path, entryOf: (name) => entryOf.get(name) }, tensors);
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
