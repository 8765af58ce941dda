import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import type { Extent, PlacedTensor } from '../model/placed-store.js';

/** Bytes that are read at once, unless told. */
const WINDOW_BYTES = 2 ** 16;

/** A file, and how it is read. */
interface Options {
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes that are read at once. */
  readonly windowBytes?: number;
}

/** Reads small pieces of a file one after the other, many with one access. */
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

  /**
   * @param start offset in the file
   * @param end behind the last byte, at most the file's size
   * @returns bytes to be used before the next call
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

/** Bytes of a tensor, or of a file's structure, which has no name. */
interface Taken extends Extent {
  readonly name?: string;
  readonly isReadOnly?: boolean | undefined;
}

/** What was met in a file so far. */
interface Met {
  /** Where the last tensor ends, and the last one that can be written; and the structure. */
  readonly tensor: number;
  readonly written: Taken | undefined;
  readonly structure: number;
}

const NOTHING: Met = { tensor: 0, written: undefined, structure: 0 };

/**
 * Bytes that two tensors share would change with both; a tensor that is written over a file's structure would destroy the file.
 *
 * @param structure bytes that say what the file holds, as far as they are known; they may overlap each other
 * @throws NeuralDiffError `bad-model` where tensors overlap in a file, or what can be written of them and the structure
 */
export function checkApart(tensors: readonly PlacedTensor[], structure: readonly Extent[] = []): void {
  const placed = tensors.flatMap(({ name, extents, isReadOnly }) =>
    extents.map((extent): Taken => ({ name, isReadOnly, ...extent })),
  );
  const taken = [...placed, ...structure].sort((a, b) => a.offset - b.offset || a.length - b.length);
  const files = new Map<string, Met>();
  for (const each of taken) files.set(each.path, meet(files.get(each.path) ?? NOTHING, each));
}

function meet(met: Met, each: Taken): Met {
  const { name, isReadOnly = false, offset, length } = each;
  const end = offset + length;
  if (name === undefined) {
    if (offset < endOf(met.written)) throw overlaps(met.written as Taken, "the file's own structure");
    return { ...met, structure: Math.max(met.structure, end) };
  }
  if (offset < met.tensor) throw overlaps(each, 'another');
  if (!isReadOnly && offset < met.structure) throw overlaps(each, "the file's own structure");
  return { ...met, tensor: end, written: isReadOnly ? met.written : each };
}

function endOf(taken: Taken | undefined): number {
  return taken === undefined ? 0 : taken.offset + taken.length;
}

function overlaps({ path, name }: Taken, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read "${path}": tensor "${name}" overlaps ${what}`);
}

/** @returns the text that bytes hold; undefined where they are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
