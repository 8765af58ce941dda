import { NeuralDiffError } from '../model/errors.js';
import { type ModelFiles, recordPaths } from '../model/model-files.js';
import { PAGE_BYTES } from '../model/planned-writes.js';
import type { WeightStore } from '../model/store.js';
import { type Disk, filesOnDisk, moveAside, pathIn, removeRecord } from './disk.js';
import { type OpenJournal, openJournal, type ReadEntry } from './journal.js';

/** Options of `openInPlace`. */
export interface InPlaceOptions {
  readonly disk: Disk;
  /** Folder of the model's files on the disk; `''` is the root. */
  readonly folder: string;
  /** Path on the disk for the journal, which grows to the number of bytes that an update touches. */
  readonly journal: string;
  /** Opens the model from its files, for example with `openContainer`. */
  readonly openModel: (files: ModelFiles) => Promise<WeightStore>;
}

/** A journal whose entries fit the model's own files as they are. */
export interface OwnJournal extends OpenJournal {
  /** @returns the model's files as they are before the update, read from the journal and the disk */
  filesBefore(): ModelFiles;
}

/**
 * Opens the journal of a model, if there is one, and checks that it belongs to the model: that it saves whole
 * pages of files that the model consists of, within their present sizes, and each page once.
 *
 * A header that was never completed is removed. A journal of other files is moved aside, and nothing else is
 * changed.
 *
 * @throws NeuralDiffError `storage-mismatch` for a file that is no journal, and for a journal that is not the
 *   model's; `unsafe-path` for a model that names the journal as one of its files; if the model cannot be
 *   opened, its error
 */
export async function findJournal(options: InPlaceOptions): Promise<OwnJournal | undefined> {
  const { disk, journal: path } = options;
  if ((await disk.size(path)) === undefined) return undefined;
  const { own, problem } = await listOwnFiles(options);
  if (problem?.code === 'unsafe-path') throw problem;
  if (own.has(path)) throw isModelFile(path);
  const found = await openJournal(disk, path);
  if (found === 'torn') {
    if (problem) throw problem;
    await removeRecord(disk, path);
  }
  if (found === undefined || found === 'torn') return undefined;
  const pages = new SavedAt();
  await found.eachEntry(async (entry) => {
    if (entry.kind !== 'saved') return;
    const size = own.has(entry.path) ? await disk.size(entry.path) : undefined;
    if (size !== undefined && isWholePages(entry, size) && pages.add(entry)) return;
    // A model that cannot be opened may have more files than are known.
    if (problem && size === undefined) throw problem;
    throw await refuse(options, `it saves ${describe(entry)}, which is no part of the model as it is`);
  });
  return { ...found, filesBefore: () => openFilesBefore(options, pages) };
}

/**
 * Moves a journal aside that is of no use to the model.
 *
 * @param why what is wrong with it
 * @returns the error to throw
 */
export async function refuse({ disk, journal }: InPlaceOptions, why: string): Promise<NeuralDiffError> {
  const aside = await moveAside(disk, journal, '.refused');
  const remedy = `the model is unchanged; the journal was moved to "${aside}": delete it, and try again`;
  const message = `Cannot use journal "${journal}": ${why}; ${remedy}`;
  return new NeuralDiffError('storage-mismatch', message, { facts: { aside } });
}

/** Lists the files that a model consists of, as paths on the disk: those that are looked at to open it. */
async function listOwnFiles(
  options: InPlaceOptions,
): Promise<{ own: ReadonlySet<string>; problem?: NeuralDiffError }> {
  const { files, paths } = recordPaths(filesOnDisk(options));
  const list = (): Set<string> => new Set([...paths].flatMap((name) => pathOf(options, name)));
  try {
    const store = await options.openModel(files);
    await store.close();
    return { own: list() };
  } catch (error) {
    if (error instanceof NeuralDiffError) return { own: list(), problem: error };
    throw error;
  } finally {
    await files.close();
  }
}

function pathOf(options: InPlaceOptions, name: string): string[] {
  try {
    return [pathIn(options, name)];
  } catch {
    // An unsafe name is not a file of the model; opening the model has failed with it.
    return [];
  }
}

/** @returns whether an entry is what an update saves of a file of so many bytes */
function isWholePages({ offset, bytes }: ReadEntry, size: number): boolean {
  const end = offset + bytes.length;
  const isWithin = Number.isSafeInteger(offset) && bytes.length > 0 && end <= size;
  return isWithin && offset % PAGE_BYTES === 0 && (end % PAGE_BYTES === 0 || end === size);
}

const describe = ({ path, offset, bytes }: ReadEntry): string =>
  `${bytes.length} bytes at ${offset} of "${path}"`;

function isModelFile(path: string): NeuralDiffError {
  const message = `Cannot update the model: "${path}" is the name of its journal, and the model names it as one of its own files; rename that file in the model`;
  return new NeuralDiffError('unsafe-path', message);
}

/** Pages of a group, whose positions are held together. */
const GROUP = 1_024;

/** Where the saved pages of files lie in a journal; memory grows with the number of saved pages only. */
class SavedAt {
  readonly #groups = new Map<string, Map<number, Float64Array>>();

  /** @returns false if a page of the entry was saved before */
  add({ path, offset, bytes, at }: ReadEntry): boolean {
    const groups = this.#groups.get(path) ?? new Map<number, Float64Array>();
    this.#groups.set(path, groups);
    for (let done = 0; done < bytes.length; done += PAGE_BYTES) {
      const page = (offset + done) / PAGE_BYTES;
      const key = Math.floor(page / GROUP);
      const group = groups.get(key) ?? new Float64Array(GROUP);
      groups.set(key, group);
      if (group[page % GROUP] !== 0) return false;
      group[page % GROUP] = at + done;
    }
    return true;
  }

  /** @returns the offset in the journal of a saved page; undefined for a page that was not saved */
  find(path: string, page: number): number | undefined {
    return this.#groups.get(path)?.get(Math.floor(page / GROUP))?.[page % GROUP] || undefined;
  }
}

/** Opens the model's files with the saved pages in place of those on the disk; they cannot be written. */
function openFilesBefore(options: InPlaceOptions, pages: SavedAt): ModelFiles {
  const { disk, journal } = options;
  const files = filesOnDisk(options);
  return {
    ...files,
    async readInto(name, offset, target) {
      await files.readInto(name, offset, target);
      const path = pathIn(options, name);
      const end = offset + target.length;
      for (let page = Math.floor(offset / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
        const first = page;
        const at = pages.find(path, first);
        if (at === undefined) continue;
        // Pages of one entry are read at once.
        while (pages.find(path, page + 1) === at + (page + 1 - first) * PAGE_BYTES) page++;
        const from = Math.max(offset, first * PAGE_BYTES);
        const to = Math.min(end, (page + 1) * PAGE_BYTES);
        const part = target.subarray(from - offset, to - offset);
        await disk.readInto(journal, at + from - first * PAGE_BYTES, part);
      }
    },
    write: () => Promise.reject(new RangeError('Cannot write to the model from before an update')),
  };
}
