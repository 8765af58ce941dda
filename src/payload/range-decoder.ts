import { type ByteSource, type Bytes, sourceOf, WINDOW_BYTES } from './byte-source.js';
import type { BitCoder, Contexts } from './coding.js';
import { corrupt } from './limits.js';

/** The initial and largest range, chosen so that all numbers stay small integers for JavaScript engines. */
export const FULL_RANGE = 2 ** 30;

/** A range below this is widened by a byte. */
export const MIN_RANGE = 2 ** 22;

/**
 * Decodes the output of `RangeEncoder`.
 *
 * Bytes after the end count as zeros, so reading never fails; `expectEnd` checks that all bytes were read.
 *
 * Source: G. N. N. Martin, "Range encoding", 1979.
 */
export class RangeDecoder implements BitCoder {
  readonly #source: ByteSource;
  readonly #buffer: Uint8Array;
  #window: Uint8Array = new Uint8Array(0);
  /** Offset of the window in the source, and number of bytes read from the window. */
  #before = 0;
  #at = 0;
  #range = FULL_RANGE;
  #code = 0;

  /**
   * @param buffer for windows of the record, reserved while the decoder is in use; by default as long as the
   *   record, if that is less than `WINDOW_BYTES`
   */
  constructor(record: Bytes, buffer?: Uint8Array) {
    this.#source = sourceOf(record);
    this.#buffer = buffer ?? new Uint8Array(Math.min(WINDOW_BYTES, this.#source.length));
    // The first two bits are always 0.
    for (let i = 0; i < 4; i++) this.#code = (this.#code << 8) | this.#next();
    if (this.#code >>> 0 >= FULL_RANGE) throw corrupt('invalid start of an op');
  }

  bit(contexts: Contexts, index: number): number {
    const { counts } = contexts;
    const ones = counts[2 * index] as number;
    const total = ones + (counts[2 * index + 1] as number);
    const bound = Math.imul((this.#range / total) | 0, ones);
    const bit = this.#code < bound ? 1 : 0;
    if (bit === 1) {
      this.#range = bound;
    } else {
      this.#code -= bound;
      this.#range -= bound;
    }
    if (this.#range < MIN_RANGE) this.#widen();
    contexts.update(index, bit);
    return bit;
  }

  raw(width: number): number {
    if (width === 0) return 0;
    const step = this.#range >> width;
    const max = (1 << width) - 1;
    const value = Math.min((this.#code / step) | 0, max);
    this.#code -= Math.imul(value, step);
    this.#range = value === max ? this.#range - Math.imul(value, step) : step;
    if (this.#range < MIN_RANGE) this.#widen();
    return value;
  }

  /** @throws NeuralDiffError `corrupt-payload` for unread bytes or a trailing zero */
  expectEnd(): void {
    const isRead = this.#before + this.#at === this.#source.length;
    if (!isRead || this.#window.at(-1) === 0) throw corrupt('an op has bytes left over');
  }

  #widen(): void {
    do {
      this.#range <<= 8;
      this.#code = (this.#code << 8) | this.#next();
    } while (this.#range < MIN_RANGE);
  }

  #next(): number {
    if (this.#at === this.#window.length && !this.#refill()) return 0;
    return this.#window[this.#at++] as number;
  }

  /** Reads the next window. @returns whether there is another byte */
  #refill(): boolean {
    const next = this.#before + this.#at;
    if (next === this.#source.length) return false;
    this.#window = this.#source.borrow(next, this.#buffer);
    this.#before = next;
    this.#at = 0;
    return true;
  }
}
