import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { listExternalFiles, openContainer } from '../containers/open-container.js';
import { NeuralDiffError } from '../model/errors.js';
import type { WeightStore } from '../model/store.js';
import { openInPlace } from '../storage/in-place.js';
import type { ModelStorage } from '../storage/storage.js';
import { type NodeDisk, openNodeDisk } from './disk.js';
import { withFileErrors } from './file-errors.js';
import { openFolder } from './folder.js';

/** Files by which a folder is known for a model. */
const MAIN_FILES = ['model.json', 'model.safetensors.index.json', 'model.safetensors', 'model.onnx'] as const;

/**
 * Opens a model on disk: a file of any container, or a folder with a `model.json`, an index of safetensors, a
 * `model.safetensors` or a `model.onnx`.
 *
 * @param path the folder, or a file in it
 * @param options `writable` to patch it in place
 * @returns the store; close it
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `bad-model`, `unsupported-model`, `unsafe-path`
 */
export async function openModel(
  path: string,
  options: { readonly writable?: boolean } = {},
): Promise<WeightStore> {
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

/** Everything that belongs to a model. */
export interface WholeModel {
  /** A folder, or a file that holds the model alone. */
  readonly from: string;
  /** Files of the folder that belong to the model, where others may lie beside them; the whole folder unless given. */
  readonly files?: readonly string[];
  /** The file in the folder by which the model is opened; empty for a file. */
  readonly main: string;
}

/**
 * Finds everything that belongs to a model: the folder of a `model.json` or of an index of safetensors, an ONNX file with its
 * external data, or else the one file.
 *
 * @throws NeuralDiffError as `openModel`; `file-not-found` also when external data are missing
 */
export async function wholeModel(path: string): Promise<WholeModel> {
  const { folder, file } = await locateModel(path);
  if (file.endsWith('.json')) return { from: folder, main: file };
  const files = await openFolder(folder);
  try {
    const external = await listExternalFiles(files, file);
    if (external.length === 0) return { from: join(folder, file), main: '' };
    return { from: folder, files: [file, ...external], main: file };
  } finally {
    await files.close();
  }
}

/** Finds the folder of a model, and in it the file by which it is opened. */
export async function locateModel(path: string): Promise<{ folder: string; file: string }> {
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

/** A model on disk that is updated in place, safe from power cuts: close it. */
export interface FileStorage extends ModelStorage {
  /** The folder that the model lies in, and its path. */
  readonly disk: NodeDisk;
  readonly root: string;
  /** The model's main file in it. */
  readonly file: string;
  close(): Promise<void>;
}

/** What is behind the name of a model's main file in that of its journal. */
const JOURNAL_ENDING = '.undo';

/**
 * Opens a model on disk to be updated in place: a file of any container, or a folder with one. While an update is made or
 * on trial, a journal `NAME.undo` lies beside the model's main file and holds the bytes that were changed.
 *
 * @param path the folder, or a file in it
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function openModelStorage(path: string): Promise<FileStorage> {
  const { folder, file } = await locateModel(path);
  const disk = openNodeDisk(folder);
  const storage = openInPlace({
    ...{ disk, folder: '', journal: file + JOURNAL_ENDING },
    openModel: (files) => openContainer(files, file),
  });
  return { ...storage, disk, root: folder, file, close: () => disk.close() };
}
