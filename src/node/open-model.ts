import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatOf, listExternalFiles, listLayersFiles, openContainer } from '../containers/open-container.js';
import { NeuralDiffError } from '../model/errors.js';
import { type ModelFiles, openOverlay, recordPaths } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { openInPlace } from '../storage/in-place.js';
import type { ModelStorage } from '../storage/storage.js';
import { type NodeDisk, openNodeDisk } from './disk.js';
import { withFileErrors } from './file-errors.js';
import { listFiles, openFolder } from './folder.js';

/** Main files that identify a folder as a model. */
const MAIN_FILES = ['model.json', 'model.safetensors.index.json', 'model.safetensors', 'model.onnx'] as const;

/** Other `.json` files of a folder that are looked at for the weights manifest of a model. */
const MOST_JSON_FILES = 256;

/** Models of a folder that the error for several names. */
const MOST_NAMED = 4;

/**
 * Opens a model on disk: a file in any supported format, or a folder with a `model.json`, an index of
 * safetensors, a `model.safetensors`, a `model.onnx`, or one file that is a `model.json` by another name.
 *
 * @param path the folder, or a file in it
 * @param options `writable` to patch it in place
 * @returns the store; it must be closed
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`, `bad-model`, `unsupported-model`,
 *   `unsafe-path`
 *
 * @example
 * const store = await openModel('models/v1');
 * for (const { name, dtype, shape } of store.tensors) console.log(name, dtype, shape);
 * await store.close();
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

/** The files of a model, opened together with its weights. */
export interface OpenFiles {
  /** The model's folder; closed with the store. */
  readonly files: ModelFiles;
  /** The model's main file in it. */
  readonly file: string;
  /** Name of the file format: `tfjs` or `onnx`, for example. */
  readonly format: string;
  readonly store: WeightStore;
}

/**
 * Opens a model on disk as a view: what is written to its weights stays in memory, and its files are read
 * with these weights.
 *
 * @param path as for `openModel`
 * @returns files and store; the store must be closed
 * @throws NeuralDiffError as `openModel`
 */
export async function openModelView(path: string): Promise<OpenFiles> {
  const { folder, file } = await locateModel(path);
  const files = openOverlay(await openFolder(folder));
  try {
    const store = await openContainer(files, file);
    return { files, file, format: await formatOf(files, file), store };
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** All files of a model. */
export interface WholeModel {
  /** A folder, or a file that contains the whole model. */
  readonly from: string;
  /** The model's files in the folder; undefined if `from` is a file. */
  readonly files?: readonly string[];
  /** The model's main file in the folder; empty if `from` is a file. */
  readonly main: string;
}

/**
 * Finds all files of a model: those that a `model.json` or an index of safetensors names, with the companions
 * in its folder; an ONNX file with its external data; otherwise a single file.
 *
 * @throws NeuralDiffError as `openModel`; `file-not-found` also for missing external data
 */
export async function wholeModel(path: string): Promise<WholeModel> {
  const { folder, file } = await locateModel(path);
  const files = await openFolder(folder);
  try {
    if (FOLDER_FORMATS.includes(await formatOf(files, file))) {
      const named = await listNamed(files, file);
      return { from: folder, files: [...named, ...(await listOthers(files, folder, named))], main: file };
    }
    const external = await listExternalFiles(files, file);
    if (external.length === 0) return { from: join(folder, file), main: '' };
    return { from: folder, files: [file, ...external], main: file };
  } finally {
    await files.close();
  }
}

/**
 * Lists the companions in a model's folder.
 *
 * @param own the model's own files
 * @returns names in the folder, without the model's own and the main files of other models
 */
export async function listOthers(
  files: ModelFiles,
  folder: string,
  own: readonly string[],
): Promise<string[]> {
  const others = (await listCompanions(folder)).filter((name) => !own.includes(name));
  const models = await listLayersFiles(
    files,
    others.filter((name) => name.endsWith('.json')),
  );
  return others.filter((name) => !models.includes(name));
}

/** Formats of main files that own their folder. */
const FOLDER_FORMATS: readonly string[] = ['tfjs', 'safetensors-index'];

/**
 * Lists the files that a model on disk consists of, without companions.
 *
 * @returns its folder, and paths in it
 * @throws NeuralDiffError as `openModel`
 */
export async function listModelFiles(path: string): Promise<{ folder: string; names: string[] }> {
  const { folder, file } = await locateModel(path);
  const files = await openFolder(folder);
  try {
    return { folder, names: await listNamed(files, file) };
  } finally {
    await files.close();
  }
}

/** @returns the files that a model consists of: those that are looked at to open it */
async function listNamed(files: ModelFiles, file: string): Promise<string[]> {
  const recorded = recordPaths(files);
  const store = await openContainer(recorded.files, file);
  await store.close();
  return [...recorded.paths];
}

/** Endings and names of small files that programs need next to the weights: configurations, vocabularies. */
const COMPANIONS =
  /(\.(json|txt|md|model|spm|vocab|jinja|ya?ml|tiktoken|bpe|py)|^vocab|^(LICENSE|NOTICE|README)(\.\w+)?)$/i;

/** Lists the companions directly in a model's folder; hidden files and links to no file are none. */
async function listCompanions(folder: string): Promise<string[]> {
  return withFileErrors(`Cannot list "${folder}"`, async () => {
    const names: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!COMPANIONS.test(entry.name) || entry.name.startsWith('.')) continue;
      const isLinked = entry.isSymbolicLink() && (await leadsToFile(join(folder, entry.name)));
      if (entry.isFile() || isLinked) names.push(entry.name);
    }
    return names.sort();
  });
}

/** @returns whether a link leads to a regular file */
async function leadsToFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return false;
    throw error;
  }
}

/** The folder of a model, and its main file in it. */
export interface ModelPlace {
  readonly folder: string;
  readonly file: string;
}

/** Finds the folder of a model, and its main file. */
export async function locateModel(path: string): Promise<ModelPlace> {
  const prefix = `Cannot open model "${path}"`;
  const found = await withFileErrors(prefix, () => stat(path));
  if (!found.isDirectory()) return { folder: dirname(path), file: basename(path) };
  const names = new Set(await withFileErrors(prefix, () => readdir(path)));
  const file = MAIN_FILES.find((name) => names.has(name));
  return { folder: path, file: file ?? (await findLayersFile(path, prefix)) };
}

/**
 * Finds the only file of a folder that is a `model.json` by another name.
 *
 * @throws NeuralDiffError `file-not-found` where none is or several are
 */
async function findLayersFile(folder: string, prefix: string): Promise<string> {
  const names = await listFiles(folder, '.json');
  const files = await openFolder(folder);
  try {
    const found = await listLayersFiles(files, names.slice(0, MOST_JSON_FILES));
    if (found.length === 1) return found[0] as string;
    const expected =
      found.length === 0
        ? `a folder with one of ${MAIN_FILES.join(', ')}`
        : `the path of one of the ${found.length} models in it, such as ${found.slice(0, MOST_NAMED).join(', ')}`;
    throw new NeuralDiffError('file-not-found', `${prefix}: expected ${expected}`);
  } finally {
    await files.close();
  }
}

/** A model on disk that is updated in place, protected against power loss; it must be closed. */
export interface FileStorage extends ModelStorage {
  /** The model's folder as a disk, and its path. */
  readonly disk: NodeDisk;
  readonly root: string;
  /** The model's main file in it. */
  readonly file: string;
  close(): Promise<void>;
}

/** Suffix of the journal's name, appended to the name of the model's main file. */
export const JOURNAL_ENDING = '.undo';

/**
 * Opens a model on disk for updates in place: a file in any supported format, or a folder with one.
 *
 * During an update and its trial, a journal `NAME.undo` next to the model's main file contains the original
 * bytes.
 *
 * @param path the folder, or a file in it
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 *
 * @example
 * const storage = await openModelStorage('models/v1');
 * await storage.recover(); // at every start
 * const payload = await readPayload('v2.ndiff');
 * const { header } = await openPayload(payload);
 * await storage.update(async (store) => void (await applyPayload(store, payload)), header);
 * await storage.confirm(); // or `rollback()`
 */
export async function openModelStorage(path: string): Promise<FileStorage> {
  return openStorageAt(await locateModel(path));
}

/** Opens a model at its place, where its main file may be missing. */
export function openStorageAt({ folder, file }: ModelPlace): FileStorage {
  const disk = openNodeDisk(folder);
  const storage = openInPlace({
    disk,
    folder: '',
    journal: file + JOURNAL_ENDING,
    openModel: (files) => openContainer(files, file),
  });
  return { ...storage, disk, root: folder, file, close: () => disk.close() };
}
