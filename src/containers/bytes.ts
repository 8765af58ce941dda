import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import { checkTensorInfos } from '../model/tensor.js';
import { formatOf, openContainer } from './open-container.js';
import { partsOf } from './parts.js';

/** Name of the only tensor of a file that is opened as bytes. */
const NAME = 'bytes';

/** Files up to this size are coded as structure, which finds what moved; larger ones as a tensor. */
const SMALL_BYTES = 2 ** 22;

/**
 * Opens any file as a model of one tensor, `bytes`, of uint8.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `empty-model` for an empty file, `bad-model` for one of 4 GiB or more
 */
export async function openBytes(files: ModelFiles, path: string): Promise<WeightStore> {
  const length = await files.size(path);
  const tensors = [
    { name: NAME, dtype: 'uint8', shape: [length], extents: [{ path, offset: 0, length }] } as const,
  ];
  checkTensorInfos(tensors);
  const store = openPlacedStore(files, tensors);
  return { ...store, parts: async () => partsOf(files, [path], length > SMALL_BYTES ? tensors : []) };
}

/** @returns whether a file has a known format; such a file may be damaged */
async function isKnown(files: ModelFiles, path: string): Promise<boolean> {
  return formatOf(files, path).then(
    () => true,
    () => false,
  );
}

/** Codes of files that are no model, or hold weights in a form that is not read. */
const NO_CONTAINER: readonly unknown[] = ['bad-model', 'unsupported-model', 'empty-model'];

/**
 * Opens a model file in its format, and a file in no known format, or whose weights cannot be read, as bytes.
 *
 * @returns the store, and why the file was opened as bytes
 * @throws NeuralDiffError `bad-model` for a damaged model; as `openBytes`; errors of reading
 */
export async function openAnyFile(
  files: ModelFiles,
  path: string,
): Promise<{ store: WeightStore; problem?: NeuralDiffError }> {
  try {
    return { store: await openContainer(files, path) };
  } catch (error) {
    if (!(error instanceof NeuralDiffError) || !NO_CONTAINER.includes(error.code)) throw error;
    if (error.code === 'bad-model' && (await isKnown(files, path))) throw error;
    return { store: await openBytes(files, path), problem: error };
  }
}
