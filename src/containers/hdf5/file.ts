import { NeuralDiffError } from '../../model/errors.js';
import { MAX_TENSORS } from '../../model/limits.js';
import type { ModelFiles } from '../../model/model-files.js';
import type { Extent } from '../../model/placed-store.js';
import { FileWindow } from '../file-window.js';

/** The byte range of an HDF5 file: a whole file, or an entry of an archive. */
export interface FileRange {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** The format's signature, with line ends that a text-mode transfer would change. */
const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Bytes of an address and of a length; files with 4 bytes are not supported. */
export const NUMBER_BYTES = 8;

/** Bytes read at once; pieces of structure are scattered over the file. */
const WINDOW_BYTES = 2 ** 12;

/** The undefined address. */
const UNDEFINED_ADDRESS = 2n ** 64n - 1n;

/** Links of all groups; some of them point to groups. */
const MAX_LINKS = 4 * MAX_TENSORS;

/** Pieces of structure that are read; a dataset or a group takes about fifteen. */
const MAX_PIECES = 8 * MAX_LINKS;

/** Minimum bytes per piece, which bounds the number of pieces by the size of the file. */
const PIECE_BYTES = 8;

/**
 * Reads the structure of an HDF5 file in pieces and checks each against the file's bounds.
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

  invalid(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.range.path}" as HDF5: ${what}`);
  }

  unsupported(what: string): NeuralDiffError {
    return new NeuralDiffError('unsupported-model', `Cannot read "${this.range.path}" as HDF5: ${what}`);
  }

  /** Records a byte range as structure. */
  claim(start: number, length: number): void {
    if (length <= 0) return;
    const last = this.#claimed.at(-1);
    const end = start + length;
    // Merge with the last range: pieces are often consecutive or read repeatedly.
    if (last === undefined || start > last.end || end < last.start) this.#claimed.push({ start, end });
    else {
      last.start = Math.min(start, last.start);
      last.end = Math.max(end, last.end);
    }
  }

  /** The byte ranges recorded by `claim`, as offsets in the file. */
  get claimed(): Extent[] {
    const { path, start } = this.range;
    return this.#claimed.map((range) => ({
      path,
      offset: start + range.start,
      length: range.end - range.start,
    }));
  }

  /** Counts one more link. */
  countLink(): void {
    if (++this.#links > MAX_LINKS) throw this.invalid(`expected at most ${MAX_LINKS} links in all groups`);
  }

  /** @returns a view of a byte range, valid until the next call */
  async view(at: number, length: number): Promise<DataView> {
    if (!(at + length <= this.size)) throw this.invalid('an address exceeds the file');
    if (--this.#left < 0) throw this.invalid('too many pieces of structure');
    const start = this.range.start + at;
    const bytes = await this.#window.bytes(start, start + length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  /** Checks the four-letter signature of a structure. @returns a view of the structure */
  async structure(at: number, length: number, letters: string): Promise<DataView> {
    const view = await this.view(at, length);
    if (lettersOf(view) !== letters) throw this.invalid(`expected ${letters} at byte ${at}`);
    return view;
  }

  /** @returns the address at an offset of a view; undefined for the undefined address */
  address(view: DataView, offset: number): number | undefined {
    return view.getBigUint64(offset, true) === UNDEFINED_ADDRESS
      ? undefined
      : this.number(view, offset, NUMBER_BYTES);
  }

  /** @returns the required address at an offset of a view */
  requiredAddress(view: DataView, offset: number): number {
    const address = this.address(view, offset);
    if (address === undefined) throw this.invalid('an address is missing');
    return address;
  }

  /** @returns the unsigned number in some bytes at an offset of a view */
  number(view: DataView, offset: number, bytes: number): number {
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = 256 * value + view.getUint8(offset + i);
    if (!Number.isSafeInteger(value)) throw this.invalid('a number is too large');
    return value;
  }
}

/** @returns whether a file that starts with these bytes is an HDF5 file */
export function isHdf5(head: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => head[i] === byte);
}

/** @returns the four letters at the start of a view */
export function lettersOf(view: DataView): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(i)));
}
