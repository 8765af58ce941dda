import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openContainer } from '../containers/index.js';
import { NeuralDiffError, type WeightStore } from '../model/index.js';
import { withFileErrors } from './file-errors.js';
import { type FolderOptions, openFolder } from './folder.js';

/** Files by which a folder is known for a model, and which belong to other files beside them. */
const MAIN_FILES = ['model.json', 'model.safetensors.index.json', 'model.safetensors'] as const;

/**
 * Opens a model on disk: a TensorFlow.js LayersModel folder, a folder of safetensors with their index, any file that
 * `openContainer` knows.
 *
 * @param path the folder, or a file in it
 * @param options `writable` to patch it in place
 * @returns the store; close it
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `bad-model`, `unsupported-model`, `unsafe-path`
 */
export async function openModel(path: string, options: FolderOptions = {}): Promise<WeightStore> {
  const { folder, file } = await locateModel(path);
  const files = await openFolder(folder, options);
  try {
    return await openContainer(files, file);
  } catch (error) {
    await files.close();
    throw error;
  }
}

/**
 * Finds the folder of a LayersModel that may be named by the folder or by its `model.json`.
 *
 * @throws NeuralDiffError `file-not-found`; `bad-model` for another model
 */
export async function modelFolder(path: string): Promise<string> {
  const { folder, file } = await locateModel(path);
  if (file === 'model.json') return folder;
  throw new NeuralDiffError('bad-model', `Cannot open model "${path}": expected a folder with a model.json`);
}

/**
 * Finds everything that belongs to a model.
 *
 * @returns a folder, or a file that holds a model alone
 * @throws NeuralDiffError as `openModel`
 */
export async function wholeModel(path: string): Promise<string> {
  const { folder, file } = await locateModel(path);
  return file.endsWith('.json') ? folder : join(folder, file);
}

/** Finds the folder of a model, and in it the file by which it is opened. */
async function locateModel(path: string): Promise<{ folder: string; file: string }> {
  const doing = `Cannot open model "${path}"`;
  const found = await withFileErrors(doing, () => stat(path));
  if (!found.isDirectory()) return { folder: dirname(path), file: basename(path) };
  const names = new Set(await withFileErrors(doing, () => readdir(path)));
  const file = MAIN_FILES.find((name) => names.has(name));
  if (file !== undefined) return { folder: path, file };
  throw new NeuralDiffError(
    'file-not-found',
    `${doing}: expected a folder with one of ${MAIN_FILES.join(', ')}`,
  );
}
