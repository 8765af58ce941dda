import type { BitCoder, Contexts } from './coding.js';
import { FULL_RANGE, MIN_RANGE } from './range-decoder.js';

/** Bytes passed to a sink at a time. */
const SINK_BYTES = 2 ** 16;

/**
 * Encodes binary decisions with integer arithmetic. Likely decisions cost fewer bits.
 *
 * Source: G. N. N. Martin, "Range encoding", 1979; carries are propagated as in I. Pavlov's LZMA.
 */
export class RangeEncoder implements BitCoder {
  readonly #sink: ((bytes: Uint8Array) => void) | undefined;
  #bytes = new Uint8Array(2 ** 10);
  #length = 0;
  /** Number of bytes passed to the sink. */
  #flushed = 0;
  #low = 0;
  #range = FULL_RANGE;
  /** The last byte that a carry may change, -1 for none, and the number of bytes of 255 after it. */
  #cached = -1;
  #pending = 0;

  /**
   * @param sink receives bytes as they are written, valid during the call; without it `finish` returns all
   *   bytes
   */
  constructor(sink?: (bytes: Uint8Array) => void) {
    this.#sink = sink;
  }

  bit(contexts: Contexts, index: number, value: number): number {
    const { counts } = contexts;
    const ones = counts[2 * index] as number;
    const total = ones + (counts[2 * index + 1] as number);
    const range = this.#range;
    const bound = Math.imul((range / total) | 0, ones);
    if (value !== 1) this.#low += bound;
    this.#range = value === 1 ? bound : range - bound;
    while (this.#range < MIN_RANGE) this.#widen();
    contexts.update(index, value);
    return value;
  }

  raw(width: number, value: number): number {
    const step = this.#range >> width;
    this.#low += value * step;
    this.#range = value === 2 ** width - 1 ? this.#range - value * step : step;
    while (this.#range < MIN_RANGE) this.#widen();
    return value;
  }

  /** Bits written so far, with a piecewise linear fraction. Deterministic, so that trials can be compared. */
  get cost(): number {
    const bytes = this.#flushed + this.#length + this.#pending + (this.#cached < 0 ? 0 : 1);
    const zeros = Math.clz32(this.#range);
    return 8 * bytes + zeros - this.#range / 2 ** (31 - zeros);
  }

  /** @returns the bytes that the sink has not received, without trailing zeros, which a decoder adds */
  finish(): Uint8Array {
    // Choose the number within the range that ends in the most zeros; the range is at least 2^22.
    const rounded = Math.ceil(this.#low / 2 ** 24) * 2 ** 24;
    this.#low = rounded < this.#low + this.#range ? rounded : Math.ceil(this.#low / 2 ** 16) * 2 ** 16;
    for (let i = 0; i < 5; i++) this.#shift();
    return this.#bytes.slice(0, this.#endOfBytes());
  }

  /** @returns the number of bytes before the trailing zeros */
  #endOfBytes(): number {
    let end = this.#length;
    while (end > 0 && this.#bytes[end - 1] === 0) end--;
    return end;
  }

  /** Passes bytes to the sink; trailing zeros are retained, as they may be the last bytes. */
  #flush(sink: (bytes: Uint8Array) => void): void {
    const end = this.#endOfBytes();
    sink(this.#bytes.subarray(0, end));
    this.#bytes.copyWithin(0, end, this.#length);
    this.#length -= end;
    this.#flushed += end;
  }

  #widen(): void {
    this.#range *= 0x100;
    this.#shift();
  }

  /** Moves the highest of 32 bits' bytes out of `low`. */
  #shift(): void {
    const carry = this.#low >= 2 ** 32 ? 1 : 0;
    const rest = this.#low % 2 ** 32;
    const top = Math.floor(rest / 2 ** 24);
    if (carry === 1 || top !== 0xff) {
      if (this.#cached >= 0) this.#push(this.#cached + carry);
      for (; this.#pending > 0; this.#pending--) this.#push((0xff + carry) & 0xff);
      this.#cached = top;
    } else {
      this.#pending++;
    }
    this.#low = (rest % 2 ** 24) * 0x100;
  }

  #push(byte: number): void {
    if (this.#sink && this.#length > 0 && this.#length % SINK_BYTES === 0) this.#flush(this.#sink);
    if (this.#length === this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[this.#length++] = byte;
  }
}
