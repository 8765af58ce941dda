import { type ByteSource, type Bytes, sourceOf, WINDOW_BYTES } from './byte-source.js';
import type { BitCoder, Contexts } from './coding.js';
import { corrupt } from './limits.js';

/** The range at the start: it never grows above, so that all numbers stay small integers for JavaScript engines. */
export const FULL_RANGE = 2 ** 30;

/** Below it a range is widened by a byte. */
export const LEAST_RANGE = 2 ** 22;

/**
 * Decodes what `RangeEncoder` wrote. Bytes behind the last one count as zeros, so reading never fails; whether all was
 * read shows at the end.
 *
 * Source: G. N. N. Martin, "Range encoding", 1979.
 */
export class RangeDecoder implements BitCoder {
  readonly #source: ByteSource;
  readonly #room: Uint8Array;
  #window: Uint8Array = new Uint8Array(0);
  /** Bytes of the source before the window, and bytes read of the window. */
  #before = 0;
  #at = 0;
  #range = FULL_RANGE;
  #code = 0;

  /** @param room takes windows of the record, for as long as the decoder is in use */
  constructor(record: Bytes, room = new Uint8Array(WINDOW_BYTES)) {
    this.#room = room;
    this.#source = sourceOf(record);
    // The first two bits are always 0.
    for (let i = 0; i < 4; i++) this.#code = (this.#code << 8) | this.#next();
    if (this.#code >>> 0 >= FULL_RANGE) throw corrupt('an op begins with what no encoder writes');
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
    if (this.#range < LEAST_RANGE) this.#widen();
    contexts.update(index, bit);
    return bit;
  }

  raw(width: number): number {
    if (width === 0) return 0;
    const step = this.#range >> width;
    const most = (1 << width) - 1;
    const value = Math.min((this.#code / step) | 0, most);
    this.#code -= Math.imul(value, step);
    this.#range = value === most ? this.#range - Math.imul(value, step) : step;
    if (this.#range < LEAST_RANGE) this.#widen();
    return value;
  }

  /** @throws NeuralDiffError `corrupt-payload` when bytes are left over, or zeros stand at the end */
  expectEnd(): void {
    const isRead = this.#before + this.#at === this.#source.length;
    if (!isRead || this.#window.at(-1) === 0) throw corrupt('an op has bytes left over');
  }

  #widen(): void {
    do {
      this.#range <<= 8;
      this.#code = (this.#code << 8) | this.#next();
    } while (this.#range < LEAST_RANGE);
  }

  #next(): number {
    if (this.#at === this.#window.length && !this.#refill()) return 0;
    return this.#window[this.#at++] as number;
  }

  /** @returns whether there is another byte */
  #refill(): boolean {
    const next = this.#before + this.#at;
    if (next === this.#source.length) return false;
    this.#window = this.#source.borrow(next, this.#room);
    this.#before = next;
    this.#at = 0;
    return true;
  }
}
