import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { NeuralDiffError, openLayersStore, type WeightStore } from '../model/index.js';
import { withFileErrors } from './file-errors.js';
import { type FolderOptions, openFolder } from './folder.js';

/**
 * Opens a model on disk: a TensorFlow.js LayersModel folder, or the `model.json` in one.
 *
 * @param path the folder or its `model.json`
 * @param options `writable` to patch it in place
 * @returns the store; close it
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `bad-model`, `unsupported-model`, `unsafe-path`
 */
export async function openModel(path: string, options: FolderOptions = {}): Promise<WeightStore> {
  const folder = await openFolder(await modelFolder(path), options);
  try {
    return await openLayersStore(folder);
  } catch (error) {
    await folder.close();
    throw error;
  }
}

/**
 * Finds the folder of a model that may be named by the folder or by its `model.json`.
 *
 * @throws NeuralDiffError `file-not-found`, `bad-model` when it is neither
 */
export async function modelFolder(path: string): Promise<string> {
  const found = await withFileErrors(`Cannot open model "${path}"`, () => stat(path));
  if (found.isDirectory()) return path;
  if (basename(path) === 'model.json') return dirname(path);
  throw new NeuralDiffError('bad-model', `Cannot open model "${path}": expected a folder with a model.json`);
}
