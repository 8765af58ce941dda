import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { Extent, PlacedTensor } from '../model/placed-store.js';

/** Bytes read at once by default. */
const WINDOW_BYTES = 2 ** 16;

/** A file and the size of the window on it. */
interface Options {
  readonly path: string;
  /** Size of the file in bytes. */
  readonly size: number;
  /** Bytes read at once; defaults to `WINDOW_BYTES`. */
  readonly windowBytes?: number;
}

/** Reads small consecutive pieces of a file through a window, with few accesses. */
export class FileWindow {
  readonly #files: ModelFiles;
  readonly #path: string;
  readonly #size: number;
  readonly #windowBytes: number;
  #window = new Uint8Array(0);
  #from = 0;

  constructor(files: ModelFiles, { path, size, windowBytes = WINDOW_BYTES }: Options) {
    this.#files = files;
    this.#path = path;
    this.#size = size;
    this.#windowBytes = windowBytes;
  }

  /** @returns a range of the file if the window has it, without waiting; valid until the next call */
  held(start: number, end: number): Uint8Array | undefined {
    if (start < this.#from || end > this.#from + this.#window.length) return undefined;
    return this.#window.subarray(start - this.#from, end - this.#from);
  }

  /**
   * Reads a range of the file.
   *
   * @param start offset of the first byte
   * @param end offset after the last byte, at most the file's size
   * @returns the bytes, valid until the next call
   */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    if (start < this.#from || end > this.#from + this.#window.length) {
      const length = Math.min(Math.max(this.#windowBytes, end - start), this.#size - start);
      const window = new Uint8Array(length);
      await this.#files.readInto(this.#path, start, window);
      this.#window = window;
      this.#from = start;
    }
    return this.#window.subarray(start - this.#from, end - this.#from);
  }
}

/** Bytes of a tensor, or of the file's structure if it has no name. */
interface Range extends Extent {
  readonly name?: string;
  readonly isReadOnly?: boolean | undefined;
}

/** Summary of the ranges of a file up to some offset. */
interface Coverage {
  /** End of the last tensor. */
  readonly tensorEnd: number;
  /** The last writable tensor. */
  readonly writable: Range | undefined;
  /** End of the structure. */
  readonly structureEnd: number;
}

const EMPTY: Coverage = { tensorEnd: 0, writable: undefined, structureEnd: 0 };

/**
 * Checks that tensors do not share bytes, and that no writable tensor overlaps the file's structure.
 *
 * @param structure known byte ranges of headers and metadata; they may overlap each other
 * @throws NeuralDiffError `bad-model` where tensors overlap, or a writable tensor overlaps the structure
 */
export function checkApart(tensors: readonly PlacedTensor[], structure: readonly Extent[] = []): void {
  const placed = tensors.flatMap(({ name, extents, isReadOnly }) =>
    extents.map((extent): Range => ({ name, isReadOnly, ...extent })),
  );
  const ranges = [...placed, ...structure].sort((a, b) => a.offset - b.offset || a.length - b.length);
  const files = new Map<string, Coverage>();
  for (const range of ranges) files.set(range.path, addRange(files.get(range.path) ?? EMPTY, range));
}

function addRange(coverage: Coverage, range: Range): Coverage {
  const { tensorEnd, writable, structureEnd } = coverage;
  const { name, isReadOnly = false, offset, length } = range;
  const end = offset + length;
  if (name === undefined) {
    if (writable && offset < writable.offset + writable.length)
      throw overlaps(writable, "the file's own structure");
    return { ...coverage, structureEnd: Math.max(structureEnd, end) };
  }
  if (offset < tensorEnd) throw overlaps(range, 'another tensor');
  if (!isReadOnly && offset < structureEnd) throw overlaps(range, "the file's own structure");
  return { ...coverage, tensorEnd: end, writable: isReadOnly ? writable : range };
}

function overlaps({ path, name }: Range, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read "${path}": tensor "${name}" overlaps ${what}`);
}

/** Bytes at the start by which a file is recognised under another name. */
const SAMPLE_BYTES = 2 ** 12;

/**
 * Checks that files of weights are not the model's main file under another name, such as a link.
 *
 * @param main the main file's path in the folder
 * @param paths the other files' paths in the folder; they must exist
 * @throws NeuralDiffError `bad-model`, `file-not-found`
 */
export async function checkNotLinked(
  files: ModelFiles,
  main: string,
  paths: Iterable<string>,
): Promise<void> {
  for (const path of new Set(paths)) {
    if (await isSameFile(files, main, path))
      throw new NeuralDiffError('bad-model', `Cannot open "${path}": it is the same file as "${main}"`);
  }
}

/** @returns whether two files have the same size and start, as a main file and a file of weights never do */
async function isSameFile(files: ModelFiles, main: string, path: string): Promise<boolean> {
  const size = await files.size(main);
  if ((await files.size(path)) !== size) return false;
  const [left, right] = [main, path].map(() => new Uint8Array(Math.min(size, SAMPLE_BYTES)));
  await files.readInto(main, 0, left as Uint8Array);
  await files.readInto(path, 0, right as Uint8Array);
  return equalBytes(left as Uint8Array, right as Uint8Array);
}
