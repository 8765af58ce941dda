import { NeuralDiffError } from '../../model/errors.js';
import { MAX_TENSORS } from '../../model/limits.js';
import type { ModelFiles } from '../../model/model-files.js';
import type { Extent } from '../../model/placed-store.js';
import { FileWindow } from '../file-window.js';

/** What a file of its own, or an entry of an archive, takes of a file. */
export interface FileRange {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** Behind a byte that no text begins with; line ends that a transfer as text would change. */
const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Bytes of an address and of a length: those of 4 are long gone. */
export const NUMBER_BYTES = 8;

/** Bytes that are read at once: pieces of structure lie all over a file. */
const WINDOW_BYTES = 2 ** 12;

/** Stands for an address of nothing. */
const NOWHERE = 2n ** 64n - 1n;

/** Links of all groups: some of them lead to groups. */
const MAX_LINKS = 4 * MAX_TENSORS;

/** Pieces of structure that are read: a dataset takes some fifteen, and so does a group. */
const MAX_PIECES = 8 * MAX_LINKS;

/** Bytes that a piece takes in a file: each is read once, so a file of some bytes cannot ask for years. */
const PIECE_BYTES = 8;

/**
 * Reads the structure of an HDF5 file piece by piece, each checked against the file.
 *
 * Source: HDF5 File Format Specification, version 4.0. Addresses are relative to the start of the range.
 */
export class Hdf5File {
  readonly range: FileRange;
  readonly size: number;
  readonly #window: FileWindow;
  readonly #claimed: { start: number; end: number }[] = [];
  #left: number;
  #links = 0;

  constructor(files: ModelFiles, range: FileRange) {
    this.range = range;
    this.size = range.end - range.start;
    this.#window = new FileWindow(files, { path: range.path, size: range.end, windowBytes: WINDOW_BYTES });
    this.#left = Math.min(MAX_PIECES, 64 + this.size / PIECE_BYTES);
  }

  bad(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.range.path}" as HDF5: ${what}`);
  }

  unsupported(what: string): NeuralDiffError {
    return new NeuralDiffError('unsupported-model', `Cannot read "${this.range.path}" as HDF5: ${what}`);
  }

  /** Takes note of bytes that say what the file holds. */
  claim(start: number, length: number): void {
    if (length <= 0) return;
    const last = this.#claimed.at(-1);
    const end = start + length;
    // Pieces are read in runs, and some again and again.
    if (last === undefined || start > last.end || end < last.start) this.#claimed.push({ start, end });
    else {
      last.start = Math.min(start, last.start);
      last.end = Math.max(end, last.end);
    }
  }

  /** @returns where the pieces lie that were claimed */
  get claimed(): Extent[] {
    const { path, start } = this.range;
    return this.#claimed.map((piece) => {
      return { path, offset: start + piece.start, length: piece.end - piece.start };
    });
  }

  /** Takes note of one more link. */
  countLink(): void {
    if (++this.#links > MAX_LINKS) throw this.bad(`its groups hold more than ${MAX_LINKS} links`);
  }

  /** @returns a view of bytes, to be used before the next call */
  async view(at: number, length: number): Promise<DataView> {
    if (!(at + length <= this.size)) throw this.bad('an address leads out of it');
    if (--this.#left < 0) throw this.bad('its parts refer to each other without end');
    const start = this.range.start + at;
    const bytes = await this.#window.bytes(start, start + length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  /** @returns a view of a structure that begins with four letters */
  async structure(at: number, length: number, letters: string): Promise<DataView> {
    const view = await this.view(at, length);
    if (lettersOf(view) !== letters) throw this.bad(`expected ${letters} at byte ${at}`);
    return view;
  }

  /** @returns the address that stands at an offset of a view; undefined for that of nothing */
  address(view: DataView, offset: number): number | undefined {
    return view.getBigUint64(offset, true) === NOWHERE ? undefined : this.number(view, offset, NUMBER_BYTES);
  }

  /** @returns an address where there must be one */
  place(view: DataView, offset: number): number {
    const address = this.address(view, offset);
    if (address === undefined) throw this.bad('an address is missing');
    return address;
  }

  /** @returns the number that so many bytes stand for */
  number(view: DataView, offset: number, bytes: number): number {
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = 256 * value + view.getUint8(offset + i);
    if (!Number.isSafeInteger(value)) throw this.bad('a number is too large');
    return value;
  }
}

/** @returns whether a file that begins so is an HDF5 file */
export function isHdf5(head: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => head[i] === byte);
}

/** @returns the four letters at the start of a view */
export function lettersOf(view: DataView): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(i)));
}
