import type { ModelFiles } from '../model/index.js';

/** Bytes that are read at once. */
const WINDOW_BYTES = 2 ** 16;

/** Reads small pieces of a file one after the other, many with one access. */
export class FileWindow {
  readonly #files: ModelFiles;
  readonly #path: string;
  readonly #size: number;
  #window = new Uint8Array(0);
  #from = 0;

  /** @param size of the file */
  constructor(files: ModelFiles, path: string, size: number) {
    this.#files = files;
    this.#path = path;
    this.#size = size;
  }

  /**
   * @param start offset in the file
   * @param end behind the last byte, at most the file's size
   * @returns bytes to be used before the next call
   */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    if (start < this.#from || end > this.#from + this.#window.length) {
      const length = Math.min(Math.max(WINDOW_BYTES, end - start), this.#size - start);
      const window = new Uint8Array(length);
      await this.#files.readInto(this.#path, start, window);
      this.#window = window;
      this.#from = start;
    }
    return this.#window.subarray(start - this.#from, end - this.#from);
  }
}
