import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { PlacedStore } from '../model/placed-store.js';
import type { Outside } from '../model/store.js';
import { placeHdf5 } from './hdf5/hdf5.js';
import { openNpzEntries } from './npy.js';
import { digestGaps, digestJson } from './outside.js';
import { openZipStore, readZip, type ZipEntry } from './zip.js';

/** The entry of a Keras archive with the weights. */
const WEIGHTS = 'model.weights.h5';

/**
 * Opens the weights of a Keras model (`.keras`, written by `model.save`) as a store: the datasets of its HDF5
 * entry.
 *
 * Writes go to the archive in place; `flush` updates its checksums.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for compressed weights and for anything that
 *   `openHdf5Store` does not support
 */
export async function openKerasStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  const weights = weightsOf(await readZip(files, path));
  if (weights !== undefined) return openWeights(files, path, weights);
  throw new NeuralDiffError('bad-model', `Cannot read "${path}" as Keras: expected an entry "${WEIGHTS}"`);
}

/** Opens a zip archive: as Keras if it has a weights entry, else as NumPy. */
export async function openArchive(files: ModelFiles, path: string): Promise<PlacedStore> {
  const entries = await readZip(files, path);
  const weights = weightsOf(entries);
  return weights ? openWeights(files, path, weights) : openNpzEntries(files, path, entries);
}

function weightsOf(entries: readonly ZipEntry[]): ZipEntry | undefined {
  return entries.find(({ name }) => name === WEIGHTS);
}

/** The entry that says when and by which version an archive was written. */
const PROVENANCE = 'metadata.json';

/**
 * Reads what an archive holds besides tensors: of Keras the structure of the weights and the other entries
 * but `metadata.json`, of NumPy entries that are no arrays.
 */
export async function readArchiveOutside(
  files: ModelFiles,
  path: string,
  { placed }: PlacedStore,
): Promise<Omit<Outside, 'format'>> {
  const entries = await readZip(files, path);
  const weights = weightsOf(entries);
  const others = entries.filter(
    ({ name }) => name !== WEIGHTS && name !== PROVENANCE && !name.endsWith('.npy'),
  );
  const stated = others.map(({ name, length, crc }) => [name, length, crc]).sort();
  const structure = weights && (await digestGaps(files, { path, ...weights }, placed));
  const { bytes } = await digestGaps(files, { path, start: 0, end: await files.size(path) }, placed);
  return { bytes, digest: await digestJson([stated, structure?.digest], path) };
}

async function openWeights(files: ModelFiles, path: string, entry: ZipEntry): Promise<PlacedStore> {
  if (entry.isDeflated) {
    const message = `Cannot read "${path}": expected uncompressed weights (\`zip -0\`)`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const tensors = await placeHdf5(files, { path, start: entry.start, end: entry.end });
  return openZipStore({ files, path, entryOf: () => entry }, tensors);
}
