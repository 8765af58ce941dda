import type { ModelFiles } from '../model/index.js';

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
