import type { ByteSource } from '../payload/index.js';

/** A file as a source of bytes: close it. */
export interface OpenSource extends ByteSource {
  close(): void;
}

/**
 * Files that outlive a power cut once they are synced: what safe storage asks of a platform, and no more than every
 * platform has. Paths are relative, with `/` between segments; folders come and go with the files in them.
 *
 * Writes become durable in any order, in part or not at all, until `sync` returns; so do names until `syncNames` does.
 */
export interface Disk {
  /** @returns the file's size in bytes; undefined where there is no such file */
  size(path: string): Promise<number | undefined>;
  /** Fills all of `target` from `offset` on. */
  readInto(path: string, offset: number, target: Uint8Array): Promise<void>;
  /** Writes bytes, making the file, or making it longer, as needed. */
  write(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes what was written to a file durable, though not its name. */
  sync(path: string): Promise<void>;
  /** Gives a file another name, in place of a file that has it: whoever looks finds the one or the other. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; nothing where there is none. */
  remove(path: string): Promise<void>;
  /** @returns the paths of all files below a folder; none where there is no such folder */
  list(folder: string): Promise<string[]>;
  /** Opens a file whose bytes are to be had at once, without waiting, where the platform can; it must not be written. */
  openSource?(path: string): Promise<OpenSource>;
  /** @returns the bytes that may still be written, where the platform says */
  freeBytes?(): Promise<number>;
  /** Makes the names in a folder durable; `''` is the outermost one. */
  syncNames(folder: string): Promise<void>;
  /**
   * Runs something while nobody else, in this process or another one, runs anything under the same name.
   *
   * @throws NeuralDiffError `locked` where somebody does
   */
  exclusively<T>(name: string, run: () => Promise<T>): Promise<T>;
}

/** @returns the folder that a path lies in; `''` for the outermost one */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
