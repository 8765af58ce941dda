import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from '../node/file-errors.js';
import { writeOutput } from '../node/output.js';

/** Where a repository lies: paths are relative, with `/`. */
export interface RepositoryFiles {
  /** @returns the file; undefined when there is none */
  read(path: string): Promise<Uint8Array | undefined>;
  /** @returns names in a folder; none when it is not there */
  list(folder: string): Promise<readonly string[]>;
  /** Writes a file, and the folder that it lies in, whole or not at all. */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

/** A file to be written. */
export interface OutputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * A repository in a folder. Each file is written beside its place, flushed and renamed.
 *
 * @param folder made when something is written
 * @returns its files; reading and writing throw `file-unreadable`, `file-not-found` and `no-space`
 */
export function openRepositoryFolder(folder: string): RepositoryFiles {
  return {
    read: (path) =>
      withFileErrors(`Cannot read "${join(folder, path)}"`, async () => {
        const bytes = await readFile(join(folder, path)).catch(ifMissing);
        return bytes && new Uint8Array(bytes);
      }),
    list: (name) =>
      withFileErrors(
        `Cannot list "${join(folder, name)}"`,
        async () => (await readdir(join(folder, name)).catch(ifMissing)) ?? [],
      ),
    write: async (path, bytes) => {
      const file = join(folder, path);
      await withFileErrors(`Cannot make "${dirname(file)}"`, () => mkdir(dirname(file), { recursive: true }));
      await writeOutput(file, bytes, { force: true });
    },
  };
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/**
 * Writes files one after the other, in their order, and reads each back before the next.
 *
 * @throws NeuralDiffError `storage-mismatch`; whatever the files throw
 */
export async function writeFiles(files: RepositoryFiles, outputs: readonly OutputFile[]): Promise<void> {
  for (const { path, bytes } of outputs) {
    await files.write(path, bytes);
    const found = await files.read(path);
    if (found && equalBytes(found, bytes)) continue;
    throw new NeuralDiffError('storage-mismatch', `Cannot write "${path}": what was read back differs`);
  }
}

/** Files that are kept back: what is read is what would be there. */
interface StagedFiles extends RepositoryFiles {
  /** @returns what was written, each file once, at the place of its last time */
  outputs(): readonly OutputFile[];
}

/** @returns a repository to try changes on, before any of them is written */
export function stageFiles(files: RepositoryFiles): StagedFiles {
  const staged = new Map<string, Uint8Array>();
  return {
    read: async (path) => staged.get(path) ?? files.read(path),
    list: async (folder) => {
      const fresh = [...staged.keys()].filter((path) => path.startsWith(`${folder}/`));
      return [
        ...new Set([...(await files.list(folder)), ...fresh.map((path) => path.slice(folder.length + 1))]),
      ];
    },
    write: async (path, bytes) => {
      staged.delete(path);
      staged.set(path, bytes);
    },
    outputs: () => Array.from(staged, ([path, bytes]) => ({ path, bytes })),
  };
}
