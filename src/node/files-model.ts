import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAnyFile, openBytes } from '../containers/open-container.js';
import type { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import { layoutOf } from '../payload/header.js';
import { checkFree, filesOnDisk } from '../storage/disk.js';
import { openRewritable } from '../storage/storage.js';
import { openNodeDisk } from './disk.js';
import { withFileErrors } from './file-errors.js';
import { openFolder } from './folder.js';
import { listOthers, locateModel } from './open-model.js';
import { copyInto, writeFolder } from './output.js';

/** A model with all of its files; the store must be closed. */
export interface FilesModel {
  readonly store: WeightStore;
  /** The folder, closed with the store, and its path. */
  readonly files: ModelFiles;
  readonly folder: string;
  /** The main file in it. */
  readonly main: string;
  /** Other files in the folder that belong to the model: configurations, vocabularies. */
  readonly others: readonly string[];
  /** Why the main file was opened as bytes. */
  readonly problem?: NeuralDiffError;
}

/**
 * Opens a model with all of its files, and a file in no known format as bytes.
 *
 * @param path a folder with a model, or a file
 * @param layout layout of the payload that the model is for: decides whether a file is opened as bytes
 * @throws NeuralDiffError as `openModel`, except for files in no known format
 */
export async function openFilesModel(path: string, layout?: number): Promise<FilesModel> {
  const { folder, file } = await locateModel(path);
  const files = await openFolder(folder);
  try {
    const opened = await openBy(files, file, layout);
    const own = (await opened.store.parts?.())?.paths ?? [];
    const others = file.endsWith('.json') ? await listOthers(files, folder, own) : [];
    return { ...opened, files, folder, main: file, others };
  } catch (error) {
    await files.close();
    throw error;
  }
}

async function openBy(
  files: ModelFiles,
  file: string,
  layout: number | undefined,
): Promise<Pick<FilesModel, 'store' | 'problem'>> {
  if (layout !== undefined) {
    const store = await openBytes(files, file).catch(() => undefined);
    if (store && (await layoutOf(store.tensors)) === layout) return { store };
  }
  return openAnyFile(files, file);
}

/** Opens the files of a model as one tensor of bytes each, to measure them. */
export async function openFileBytes({ store, files, others }: FilesModel): Promise<WeightStore> {
  const paths = [...((await store.parts?.())?.paths ?? []), ...others];
  const placed: PlacedTensor[] = [];
  for (const path of paths) {
    const length = await files.size(path);
    placed.push({ name: path, dtype: 'uint8', shape: [length], extents: [{ path, offset: 0, length }] });
  }
  return openPlacedStore(files, placed);
}

/** SHA-256 as Node.js computes it. */
export function createSha256(): { add(piece: Uint8Array): void; finish(): Uint8Array } {
  const hash = createHash('sha256');
  return { add: (piece) => void hash.update(piece), finish: () => new Uint8Array(hash.digest()) };
}

/**
 * Writes new files that a model is replaced by.
 *
 * @param store the base
 * @param folder an empty folder
 * @param change gets a store of the base whose `rewrite` writes into the folder
 * @returns the result of `change`, and the paths of the new files
 */
async function writeInFolder<T>(
  store: WeightStore,
  folder: string,
  change: (store: WeightStore) => Promise<T>,
): Promise<{ result: T; paths: readonly string[] }> {
  const disk = openNodeDisk(folder);
  const files = filesOnDisk({ disk, folder: '' });
  const reserve = ({ bytes }: { bytes: number }): Promise<void> => checkFree(disk, bytes, 'write the model');
  try {
    const rewritable = openRewritable(store, async (write) => {
      const path = await write({ ...files, reserve });
      return (await openAnyFile(files, path)).store;
    });
    return { result: await change(rewritable), paths: await disk.list('') };
  } finally {
    await disk.close();
  }
}

/**
 * Replaces a model by new files in a temporary folder, which is removed.
 *
 * @param change gets a store of the base whose `rewrite` writes the new files
 * @returns the result of `change`
 * @throws NeuralDiffError `no-space`, `file-unreadable`; any error of `change`
 */
export async function tryNewFiles<T>(
  store: WeightStore,
  change: (store: WeightStore) => Promise<T>,
): Promise<T> {
  const folder = await withFileErrors(`Cannot create a folder in "${tmpdir()}"`, () =>
    mkdtemp(join(tmpdir(), 'neural-diff-files-')),
  );
  try {
    return (await writeInFolder(store, folder, change)).result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Replaces a model by new files, written to another path.
 *
 * @param model the base; its other files are copied along
 * @param to the target: a file if there is a single new file and no other, else a folder
 * @param change gets a store of the base whose `rewrite` writes the new files
 * @returns the result of `change`
 * @throws NeuralDiffError as `writeCopy`
 */
export async function writeNewFiles<T>(
  { store, folder, main, others }: FilesModel,
  { to, force, isFile }: { readonly to: string; readonly force: boolean; readonly isFile: boolean },
  change: (store: WeightStore) => Promise<T>,
): Promise<T> {
  const source = isFile ? { from: join(folder, main) } : { from: folder, files: others };
  return writeFolder({ ...source, to, force }, async (staged) => {
    const { result, paths } = await writeInFolder(store, staged, change);
    await copyInto(staged, { from: folder, files: others.filter((name) => !paths.includes(name)) });
    return result;
  });
}
