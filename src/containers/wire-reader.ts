import { NeuralDiffError } from '../model/errors.js';
import type { ModelFiles } from '../model/model-files.js';
import { FileWindow } from './file-window.js';

/** A field of a Protocol Buffers message: a number, or a byte range of the file. */
export interface WireField {
  readonly field: number;
  /** Value of a varint; 0 for other wire types. */
  readonly value: bigint;
  /** Byte range of other wire types; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  /** Wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly wire: number;
}

/** Bytes of the longest varint. */
const MAX_VARINT = 10;

/** Bytes of a varint that fits a number without BigInt arithmetic. */
const SHORT_VARINT = 4;

const ZERO = 0n;

/** Reads Protocol Buffers messages in a file, without loading skipped fields. */
export class WireReader {
  readonly #file: FileWindow;
  readonly #path: string;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#file = new FileWindow(files, { path, size });
    this.#path = path;
  }

  /**
   * Iterates over the fields of a message.
   *
   * @param start offset of the message's first byte
   * @param end offset after its last byte
   * @throws NeuralDiffError `bad-model` for fields that exceed the message
   */
  async *fields(start: number, end: number): AsyncGenerator<WireField> {
    for (let at = start; at < end; ) {
      const until = Math.min(end, at + 2 * MAX_VARINT);
      // Without waiting where the bytes are there: messages may have very many small fields.
      const head = this.#file.held(at, until) ?? (await this.#file.bytes(at, until));
      const next = this.#parse(head, at, end);
      at = next.end;
      yield next;
    }
  }

  /** @param head the first bytes of a field at the offset `at` of a message */
  #parse(head: Uint8Array, at: number, end: number): WireField {
    const tag = this.#varint(head, 0);
    const field = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (field < 1 || field >= 2 ** 29) throw this.#invalid(`invalid field number ${field}`);
    if (wire === 0) {
      const { value, wide, end: length } = this.#varint(head, tag.end);
      return { field, wire, value: wide ?? BigInt(value), start: at + tag.end, end: at + length };
    }
    if (wire !== 1 && wire !== 2 && wire !== 5) throw this.#invalid(`unknown wire type ${wire}`);
    const size = wire === 2 ? this.#varint(head, tag.end) : { value: wire === 1 ? 8 : 4, end: tag.end };
    const start = at + size.end;
    if (size.value > end - start)
      throw this.#invalid(`field ${field} exceeds its message; the file may have been cut off`);
    return { field, wire, value: ZERO, start, end: start + size.value };
  }

  /** @returns the unsigned varints of a byte range */
  async varints(start: number, end: number, max: number): Promise<bigint[] | undefined> {
    const values: bigint[] = [];
    for (let at = start; at < end; ) {
      const until = Math.min(end, at + MAX_VARINT);
      const bytes = this.#file.held(at, until) ?? (await this.#file.bytes(at, until));
      const { value, wide, end: length } = this.#varint(bytes, 0);
      if (values.length >= max) return undefined;
      values.push(wide ?? BigInt(value));
      at += length;
    }
    return values;
  }

  /**
   * @returns the varint at an offset of some bytes, `wide` if it is long, and the offset after it; `value` of
   *   a long one is rounded
   */
  #varint(bytes: Uint8Array, from: number): { value: number; wide?: bigint; end: number } {
    let value = 0;
    const end = Math.min(bytes.length, from + MAX_VARINT);
    for (let i = from; i < end; i++) {
      const byte = bytes[i] as number;
      value += (byte & 0x7f) * 2 ** (7 * (i - from));
      if (byte >= 0x80) continue;
      if (i - from < SHORT_VARINT) return { value, end: i + 1 };
      const wide = wideVarint(bytes.subarray(from, i + 1));
      return { value: Number(wide), wide, end: i + 1 };
    }
    throw this.#invalid('unterminated number');
  }

  /** @returns bytes of the file, valid until the next call */
  bytes(start: number, end: number): Promise<Uint8Array> {
    return this.#file.bytes(start, end);
  }

  #invalid(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}": ${what}`);
  }
}

function wideVarint(bytes: Uint8Array): bigint {
  let value = ZERO;
  for (const [i, byte] of bytes.entries()) value |= BigInt(byte & 0x7f) << BigInt(7 * i);
  return BigInt.asUintN(64, value);
}
