import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { ifMissing, withFileErrors } from '../node/file-errors.js';
import { writeOutput } from '../node/output.js';
import { readWhole } from '../node/read-whole.js';
import { MAX_HELD_BYTES } from '../payload/byte-source.js';

/** The files of a repository. Paths are relative, with `/` between segments. */
export interface RepositoryFiles {
  /** @returns the file; undefined if missing */
  read(path: string): Promise<Uint8Array | undefined>;
  /** @returns names in a folder; empty for a missing folder */
  list(folder: string): Promise<readonly string[]>;
  /** Writes a file atomically and creates its folder if needed. */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

/** A file to be written. */
export interface OutputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Opens a repository in a folder. Each file is written to a temporary sibling, flushed and renamed.
 *
 * @param folder the folder, created by the first write
 * @returns the files; their methods throw `file-unreadable`, `file-not-found` and `no-space`
 */
export function openRepositoryFolder(folder: string): RepositoryFiles {
  return {
    read: (path) => readWhole(join(folder, path), MAX_HELD_BYTES).catch(ifMissing),
    list: (name) =>
      withFileErrors(`Cannot list "${join(folder, name)}"`, () => readdir(join(folder, name)))
        .catch(ifMissing)
        .then((names) => names ?? []),
    write: async (path, bytes) => {
      const file = join(folder, path);
      await withFileErrors(`Cannot make "${dirname(file)}"`, () => mkdir(dirname(file), { recursive: true }));
      await writeOutput(file, bytes, { force: true });
    },
  };
}

/**
 * Writes files in order, and reads each back before the next.
 *
 * @throws NeuralDiffError `storage-mismatch`; any error of the files
 */
export async function writeFiles(files: RepositoryFiles, outputs: readonly OutputFile[]): Promise<void> {
  for (const { path, bytes } of outputs) {
    await files.write(path, bytes);
    const found = await files.read(path);
    if (found && equalBytes(found, bytes)) continue;
    throw new NeuralDiffError(
      'storage-mismatch',
      `Cannot verify "${path}": expected the written bytes, got others`,
    );
  }
}

/** A copy-on-write view of a repository. */
interface StagedFiles extends RepositoryFiles {
  /** @returns the written files, in the order of their last writes */
  outputs(): readonly OutputFile[];
}

/** @returns a view of a repository that collects changes without writing them */
export function stageFiles(files: RepositoryFiles): StagedFiles {
  const staged = new Map<string, Uint8Array>();
  return {
    read: async (path) => staged.get(path) ?? files.read(path),
    list: async (folder) => {
      const added = [...staged.keys()].filter((path) => path.startsWith(`${folder}/`));
      const names = added.map((path) => path.slice(folder.length + 1));
      return [...new Set([...(await files.list(folder)), ...names])];
    },
    write: async (path, bytes) => {
      staged.delete(path);
      staged.set(path, bytes);
    },
    outputs: () => Array.from(staged, ([path, bytes]) => ({ path, bytes })),
  };
}
