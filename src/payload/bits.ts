import { corrupt } from './corrupt.js';

/** Packs bits into bytes, the most significant bit first. */
export class BitWriter {
  readonly #bytes: number[] = [];
  #pending = 0;
  #count = 0;

  /** Appends the lowest `width` bits (0 to 24) of a value, the highest of them first. */
  write(value: number, width: number): void {
    this.#pending = (this.#pending << width) | (value & ((1 << width) - 1));
    this.#count += width;
    while (this.#count >= 8) {
      this.#count -= 8;
      this.#bytes.push((this.#pending >>> this.#count) & 0xff);
    }
    this.#pending &= (1 << this.#count) - 1;
  }

  /** @returns the bytes, the last one filled up with zero bits */
  finish(): Uint8Array {
    if (this.#count > 0) this.write(0, 8 - this.#count);
    return Uint8Array.from(this.#bytes);
  }
}

/** Reads what `BitWriter` wrote; never past the end. */
export class BitReader {
  readonly #bytes: Uint8Array;
  /** Counts bytes: the number of a bit outgrows the 32 bits of a shift. */
  #at = 0;
  #pending = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns the bits that are left */
  get left(): number {
    return 8 * (this.#bytes.length - this.#at) + this.#count;
  }

  /**
   * @param width 0 to 24
   * @returns the next bits as a number
   * @throws NeuralDiffError `corrupt-payload` at the end
   */
  read(width: number): number {
    if (width > this.left) throw corrupt('an op ends in the middle of a value');
    for (; this.#count < width; this.#count += 8)
      this.#pending = (this.#pending << 8) | (this.#bytes[this.#at++] as number);
    this.#count -= width;
    const value = this.#pending >>> this.#count;
    this.#pending &= (1 << this.#count) - 1;
    return value;
  }

  /** Checks that only the zero bits that fill the last byte are left. */
  expectEnd(): void {
    if (this.left >= 8 || this.read(this.left) !== 0) throw corrupt('an op has bytes left over');
  }
}
