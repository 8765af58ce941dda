import { Contexts, codeWide, FAST, NumberCoding, SLOW } from '../src/payload/coding.js';
import { RangeEncoder } from '../src/payload/range-encoder.js';

/** A file as a record of files states it, right or wrong. */
export interface ForgedFile {
  readonly path: string | Uint8Array;
  readonly bytes: number;
  readonly sha256?: Uint8Array;
}

/** A tensor as a record of files states it; without a type it has that of its source. */
export interface ForgedTensor {
  readonly gap?: number;
  /** Distance of the source from the expected one. */
  readonly source?: number;
  readonly type?: { readonly code: number; readonly shape: readonly number[] };
}

/** Writes records of files piece by piece, right or wrong, as docs/FORMAT.md has them. */
export class FilesForge {
  readonly #encoder = new RangeEncoder();
  readonly #kinds = new Contexts(6, FAST);
  readonly #signs = new Contexts(1, FAST);
  readonly #fast = Array.from({ length: 5 }, () => new NumberCoding(this.#encoder, FAST));

  /** @param count number of files that is stated */
  files(files: readonly ForgedFile[], count = files.length): this {
    const numbers = new NumberCoding(this.#encoder, SLOW);
    numbers.code(count - 1);
    for (const { path, bytes, sha256 } of files) {
      const name = typeof path === 'string' ? new TextEncoder().encode(path) : path;
      numbers.code(name.length - 1);
      this.raw(name);
      this.#encoder.raw(16, Math.floor(bytes / 2 ** 32));
      codeWide(this.#encoder, 32, bytes % 2 ** 32);
      this.raw(sha256 ?? new Uint8Array(32));
    }
    return this;
  }

  /** The base's structure, if one is needed. */
  base(base?: { bytes: number; digest: Uint8Array }): this {
    this.#encoder.raw(1, base ? 1 : 0);
    if (base === undefined) return this;
    codeWide(this.#encoder, 32, base.bytes);
    return this.raw(base.digest);
  }

  /** @param count number of tensors that is stated */
  tensors(tensors: readonly ForgedTensor[], count = tensors.length): this {
    codeWide(this.#encoder, 17, count);
    const flags = new Contexts(3, SLOW);
    const [gaps, sources, types, ranks, sizes] = Array.from(
      { length: 5 },
      () => new NumberCoding(this.#encoder, SLOW),
    ) as [NumberCoding, NumberCoding, NumberCoding, NumberCoding, NumberCoding];
    for (const { gap = 0, source, type } of tensors) {
      gaps.code(gap);
      this.#encoder.bit(flags, 0, source === undefined ? 0 : 1);
      if (source !== undefined) {
        this.#encoder.bit(flags, 1, source < 0 ? 1 : 0);
        sources.code(Math.abs(source));
        this.#encoder.bit(flags, 2, type ? 0 : 1);
      }
      if (type === undefined) continue;
      types.code(type.code);
      ranks.code(type.shape.length);
      for (const size of type.shape) sizes.code(size);
    }
    return this;
  }

  /** A byte at the start, where the base has no structure. */
  byte(value: number): this {
    this.#encoder.bit(this.#kinds, 0, 0);
    const tree = new Contexts(256, FAST);
    for (let node = 256 | value, bit = 7; bit >= 0; bit--)
      this.#encoder.bit(tree, node >> (bit + 1), (node >> bit) & 1);
    return this;
  }

  /** A match with what was coded before, after a match or not. */
  distance(distance: number, length: number, afterMatch = 0): this {
    this.#encoder.bit(this.#kinds, afterMatch, 1);
    this.#encoder.bit(this.#kinds, 5, 0);
    this.#encoder.bit(this.#kinds, 2 + afterMatch, 0);
    this.#fast[1]?.code(distance - 1);
    this.#fast[3]?.code(length - 4);
    return this;
  }

  /** A match in the base at the start. */
  seek(seek: number, length: number): this {
    this.#encoder.bit(this.#kinds, 0, 1);
    this.#encoder.bit(this.#kinds, 5, 0);
    this.#encoder.bit(this.#kinds, 2, 0);
    this.#encoder.bit(this.#kinds, 4, 1);
    this.#encoder.bit(this.#signs, 0, seek < 0 ? 1 : 0);
    this.#fast[0]?.code(Math.abs(seek));
    this.#fast[3]?.code(length - 4);
    return this;
  }

  /** A repeat at the start. */
  repeat(length: number): this {
    this.#encoder.bit(this.#kinds, 0, 1);
    this.#encoder.bit(this.#kinds, 5, 0);
    this.#encoder.bit(this.#kinds, 2, 1);
    this.#fast[2]?.code(length - 1);
    return this;
  }

  /**
   * The head of a run of numbers at the start.
   *
   * @param width 0, 1, 2 or 3 for numbers of 1, 2, 4 or 8 bytes
   */
  numbers(width: number, count: number): this {
    this.#encoder.bit(this.#kinds, 0, 1);
    this.#encoder.bit(this.#kinds, 5, 1);
    this.#encoder.raw(2, width);
    this.#fast[4]?.code(count - 1);
    return this;
  }

  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.#encoder.raw(8, byte);
    return this;
  }

  finish(): Uint8Array {
    return this.#encoder.finish();
  }
}
