import { openContainer } from '../containers/index.js';
import { type ModelStorage, openInPlace } from '../storage/index.js';
import { type NodeDisk, openNodeDisk } from './disk.js';
import { locateModel } from './open-model.js';

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
