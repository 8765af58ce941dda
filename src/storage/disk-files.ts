import { checkInside, type ModelFiles, NeuralDiffError } from '../model/index.js';
import type { Disk } from './disk.js';

/** Where on a disk a model's files are: names as a container has them, below a folder; `''` is the outermost. */
export interface ModelPlace {
  readonly disk: Disk;
  readonly folder: string;
}

/** @returns the path on the disk of a file that a container names */
export function pathIn({ folder }: ModelPlace, name: string): string {
  return folder === '' ? checkInside(name) : `${folder}/${checkInside(name)}`;
}

/** @returns a model's files on a disk, to be read and, until they are closed, written as they are */
export function filesOnDisk(place: ModelPlace): ModelFiles {
  const { disk } = place;
  const written = new Set<string>();
  let isClosed = false;
  return {
    size: (name) => sizeOf(disk, pathIn(place, name)),
    readInto: (name, offset, target) => disk.readInto(pathIn(place, name), offset, target),
    async write(name, offset, bytes) {
      const path = pathIn(place, name);
      if (isClosed) throw ended();
      written.add(path);
      await disk.write(path, offset, bytes);
    },
    async flush() {
      for (const path of written) await disk.sync(path);
      written.clear();
    },
    async close() {
      isClosed = true;
    },
  };
}

/** @returns what whoever writes too late gets */
export function ended(): RangeError {
  return new RangeError('Cannot write to the model: its store is closed, or its update has ended');
}

/** @returns the files, which are neither read nor written once a signal has fired: whoever tries gets its reason */
export function stoppable(files: ModelFiles, signal: AbortSignal | undefined): ModelFiles {
  if (signal === undefined) return files;
  return {
    size: (name) => files.size(name),
    async readInto(name, offset, target) {
      signal.throwIfAborted();
      await files.readInto(name, offset, target);
    },
    async write(name, offset, bytes) {
      signal.throwIfAborted();
      await files.write(name, offset, bytes);
    },
    flush: () => files.flush(),
    close: () => files.close(),
  };
}

/**
 * @returns the size of a file that must be there
 * @throws NeuralDiffError `file-not-found`
 */
export async function sizeOf(disk: Disk, path: string): Promise<number> {
  const size = await disk.size(path);
  if (size !== undefined) return size;
  throw new NeuralDiffError('file-not-found', `Cannot open "${path}": there is no such file`);
}
