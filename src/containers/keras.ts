import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { placeHdf5 } from './hdf5/hdf5.js';
import { openNpzEntries } from './npy.js';
import { openZipStore, readZip, type ZipEntry } from './zip.js';

/** The entry of an archive of Keras that holds the weights. */
const WEIGHTS = 'model.weights.h5';

/**
 * Opens the weights of a model of Keras (`.keras`, as `model.save` writes it) as a store: the datasets of its HDF5 file. Writes
 * go to the archive in place; `flush` brings its checksums up to date.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for compressed archives and what `openHdf5Store` does not support
 */
export async function openKerasStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const weights = weightsOf(await readZip(files, path));
  if (weights !== undefined) return openWeights(files, path, weights);
  throw new NeuralDiffError('bad-model', `Cannot read "${path}" as Keras: it has no entry "${WEIGHTS}"`);
}

/** Opens a zip archive: of Keras where it has weights, else of NumPy. */
export async function openArchive(files: ModelFiles, path: string): Promise<WeightStore> {
  const entries = await readZip(files, path);
  const weights = weightsOf(entries);
  return weights ? openWeights(files, path, weights) : openNpzEntries(files, path, entries);
}

function weightsOf(entries: readonly ZipEntry[]): ZipEntry | undefined {
  return entries.find(({ name }) => name === WEIGHTS);
}

async function openWeights(files: ModelFiles, path: string, entry: ZipEntry): Promise<WeightStore> {
  if (entry.deflated) {
    const message = `Cannot read "${path}": its weights are compressed; store them as they are (\`zip -0\`)`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const tensors = await placeHdf5(files, { path, start: entry.start, end: entry.end });
  return openZipStore({ files, path, entryOf: () => entry }, tensors);
}
