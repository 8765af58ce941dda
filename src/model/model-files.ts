import { NeuralDiffError } from './errors.js';

/**
 * A folder that holds a model's files: on disk, in a browser's private file system or in memory.
 *
 * Paths are relative, with `/` between segments.
 */
export interface ModelFiles {
  /** @returns the file's size in bytes */
  size(path: string): Promise<number>;
  /** Fills all of `target` from `offset` on. */
  readInto(path: string, offset: number, target: Uint8Array): Promise<void>;
  /**
   * Called before the first write, where known, with what will be written: bytes, and the number of runs of
   * neighbouring ones.
   *
   * @throws NeuralDiffError `no-space`
   */
  reserve?(writes: { readonly bytes: number; readonly runs: number }): Promise<void>;
  /** Overwrites bytes inside an existing file. */
  write(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes the writes so far durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Checks that a path stays inside the model's folder; containers are untrusted and may name any file.
 *
 * @returns the path
 * @throws NeuralDiffError `unsafe-path` for anything but a plain relative path
 */
export function checkInside(path: string): string {
  const isUnsafe = /[\\:\0?*<>|"]/.test(path) || path.startsWith('/');
  const hasDots = path.split('/').some((segment) => /^[. ]*$/.test(segment));
  if (!isUnsafe && !hasDots) return path;
  throw new NeuralDiffError(
    'unsafe-path',
    `Cannot open "${path}": expected a plain relative path inside the model's folder`,
  );
}

/** Names of files and folders that updates make next to a model: journals, locks, drafts of both, copies. */
const OWN_NAME = /\.(undo|lock|clearing|updates|crswap)(\.\d+\.[0-9a-f]{8})?$|^\..*\.tmp$/;

/** @returns whether a path leads to a file that updates make, on any file system; its folders count too */
export function isOwnPath(path: string): boolean {
  return path.split('/').some((segment) => OWN_NAME.test(folded(segment)));
}

/** @returns a path as file systems compare it that ignore case, forms of Unicode, and dots behind a name */
export function folded(path: string): string {
  return path.normalize('NFKC').toLowerCase().split('/').map(withoutEnd).join('/');
}

/** @returns a name without the dots and spaces at its end */
function withoutEnd(name: string): string {
  // A regular expression would take the square of the length for dots before a letter.
  let end = name.length;
  while (name[end - 1] === '.' || name[end - 1] === ' ') end--;
  return name.slice(0, end);
}

/**
 * Checks the other files that a model's main file names. Each must be inside the folder, and be neither the
 * main file nor a file that updates make: writing weights would destroy them.
 *
 * @param main the main file's path in the folder
 * @param paths the other files' paths in the folder
 * @throws NeuralDiffError `unsafe-path`; `bad-model` for the main file, and for two names that lead to one
 *   file where case does not count
 */
export function checkNamedFiles(main: string, paths: Iterable<string>): void {
  const seen = new Map([[folded(main), main]]);
  for (const path of new Set(paths)) {
    checkInside(path);
    if (isOwnPath(path))
      throw new NeuralDiffError('unsafe-path', `Cannot open "${path}": updates use that name`);
    const known = seen.get(folded(path));
    if (known !== undefined)
      throw new NeuralDiffError('bad-model', `Cannot open "${path}": it is the same file as "${known}"`);
    seen.set(folded(path), path);
  }
}

/**
 * Opens files in memory as a folder.
 *
 * @param files file contents by path; written in place
 * @returns the folder
 */
export function openMemoryFiles(files: ReadonlyMap<string, Uint8Array>): ModelFiles {
  const find = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (bytes === undefined) {
      throw new NeuralDiffError(
        'file-not-found',
        `Cannot open "${path}": the folder has no file of that name`,
      );
    }
    return bytes;
  };
  return {
    async size(path) {
      return find(path).length;
    },
    async readInto(path, offset, target) {
      target.set(find(path).subarray(offset, offset + target.length));
    },
    async write(path, offset, bytes) {
      find(path).set(bytes, offset);
    },
    async flush() {},
    async close() {},
  };
}

/**
 * Records the files that are looked at: while a container is opened, those that it consists of.
 *
 * @param files the folder; closed with the result
 * @returns the same folder, and the paths so far
 */
export function recordPaths(files: ModelFiles): { files: ModelFiles; paths: ReadonlySet<string> } {
  const paths = new Set<string>();
  // Each method by itself: the folder may be an instance of a class.
  const recorded: ModelFiles = {
    reserve: async (writes) => files.reserve?.(writes),
    write: (path, offset, bytes) => files.write(path, offset, bytes),
    flush: () => files.flush(),
    close: () => files.close(),
    size(path) {
      paths.add(path);
      return files.size(path);
    },
    readInto(path, offset, target) {
      paths.add(path);
      return files.readInto(path, offset, target);
    },
  };
  return { files: recorded, paths };
}

/**
 * Opens a copy-on-write view of a folder: writes stay in memory and are read back; the folder itself is
 * unchanged.
 *
 * A file that is written to is held in memory completely.
 *
 * @param files the folder; closed with the view
 */
export function openOverlay(files: ModelFiles): ModelFiles {
  const changed = new Map<string, Uint8Array>();
  const top = openMemoryFiles(changed);
  const layerOf = (path: string): ModelFiles => (changed.has(path) ? top : files);
  return {
    size: (path) => layerOf(path).size(path),
    readInto: (path, offset, target) => layerOf(path).readInto(path, offset, target),
    async write(path, offset, bytes) {
      if (!changed.has(path)) {
        changed.set(path, await readWhole(files, path));
      }
      await top.write(path, offset, bytes);
    },
    async flush() {},
    close: () => files.close(),
  };
}

/** Reads a file into memory. */
export async function readWhole(files: ModelFiles, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(await files.size(path));
  await files.readInto(path, 0, bytes);
  return bytes;
}
