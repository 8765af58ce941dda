import type { BitCoder, Contexts } from './coding.js';
import { FULL_RANGE, LEAST_RANGE } from './range-decoder.js';

/** Bytes that a sink gets at a time. */
const SINK_BYTES = 2 ** 16;

/**
 * Encodes binary decisions in as many bits as they are unlikely, with whole numbers alone.
 *
 * Source: G. N. N. Martin, "Range encoding", 1979; carries are held back as in I. Pavlov's LZMA.
 */
export class RangeEncoder implements BitCoder {
  readonly #sink: ((bytes: Uint8Array) => void) | undefined;
  #bytes = new Uint8Array(2 ** 10);
  #length = 0;
  /** Bytes that the sink has. */
  #sunk = 0;
  #low = 0;
  #range = FULL_RANGE;
  /** The last byte that a carry may still change, and how many bytes of 255 follow it; none at the start. */
  #held = -1;
  #full = 0;

  /** @param sink takes bytes as they come, which are valid during the call alone; without one `finish` gives all of them */
  constructor(sink?: (bytes: Uint8Array) => void) {
    this.#sink = sink;
  }

  bit(contexts: Contexts, index: number, value: number): number {
    const { counts } = contexts;
    const ones = counts[2 * index] as number;
    const total = ones + (counts[2 * index + 1] as number);
    const bound = Math.imul((this.#range / total) | 0, ones);
    if (value === 1) {
      this.#range = bound;
    } else {
      this.#low += bound;
      this.#range -= bound;
    }
    while (this.#range < LEAST_RANGE) this.#widen();
    contexts.update(index, value);
    return value;
  }

  raw(width: number, value: number): number {
    const step = this.#range >> width;
    this.#low += value * step;
    this.#range = value === 2 ** width - 1 ? this.#range - value * step : step;
    while (this.#range < LEAST_RANGE) this.#widen();
    return value;
  }

  /** Bits written so far, to a fraction (a line for the logarithm): what trials compare. The same on every machine. */
  get cost(): number {
    const bytes = this.#sunk + this.#length + this.#full + (this.#held < 0 ? 0 : 1);
    const zeros = Math.clz32(this.#range);
    return 8 * bytes + zeros - this.#range / 2 ** (31 - zeros);
  }

  /** @returns the bytes that no sink has; zeros at the end are left out, as a decoder makes them up */
  finish(): Uint8Array {
    // The number within the range that ends in the most zeros: a range is never below 2^22.
    const rounded = Math.ceil(this.#low / 2 ** 24) * 2 ** 24;
    this.#low = rounded < this.#low + this.#range ? rounded : Math.ceil(this.#low / 2 ** 16) * 2 ** 16;
    for (let i = 0; i < 5; i++) this.#shift();
    return this.#bytes.slice(0, this.#endOfBytes());
  }

  /** Where zeros begin that go on to the last byte so far. */
  #endOfBytes(): number {
    let end = this.#length;
    while (end > 0 && this.#bytes[end - 1] === 0) end--;
    return end;
  }

  /** Zeros may turn out to be the last bytes: they wait. */
  #sinkBytes(sink: (bytes: Uint8Array) => void): void {
    const end = this.#endOfBytes();
    sink(this.#bytes.subarray(0, end));
    this.#bytes.copyWithin(0, end, this.#length);
    this.#length -= end;
    this.#sunk += end;
  }

  #widen(): void {
    this.#range *= 0x100;
    this.#shift();
  }

  /** Moves the highest byte of 32 out of `low`. */
  #shift(): void {
    const carry = this.#low >= 2 ** 32 ? 1 : 0;
    const rest = this.#low % 2 ** 32;
    const top = Math.floor(rest / 2 ** 24);
    if (carry === 1 || top !== 0xff) {
      if (this.#held >= 0) this.#push(this.#held + carry);
      for (; this.#full > 0; this.#full--) this.#push((0xff + carry) & 0xff);
      this.#held = top;
    } else {
      this.#full++;
    }
    this.#low = (rest % 2 ** 24) * 0x100;
  }

  #push(byte: number): void {
    if (this.#sink && this.#length > 0 && this.#length % SINK_BYTES === 0) this.#sinkBytes(this.#sink);
    if (this.#length === this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[this.#length++] = byte;
  }
}
