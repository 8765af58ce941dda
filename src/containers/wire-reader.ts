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
      const tag = await this.varint(at, end);
      const field = Number(tag.value >> 3n);
      const wire = Number(tag.value & 7n);
      if (field < 1 || field >= 2 ** 29) throw this.#invalid(`invalid field number ${field}`);
      const next = await this.#fieldAt(tag.end, end, { field, wire });
      at = next.end;
      yield next;
    }
  }

  async #fieldAt(at: number, end: number, kind: { field: number; wire: number }): Promise<WireField> {
    const { wire } = kind;
    if (wire === 0) return { ...kind, start: at, ...(await this.varint(at, end)) };
    const head = wire === 2 ? await this.varint(at, end) : { value: wire === 1 ? 8n : 4n, end: at };
    if (![1, 2, 5].includes(wire)) throw this.#invalid(`unknown wire type ${wire}`);
    if (head.value > BigInt(end - head.end)) throw this.#invalid(`field ${kind.field} exceeds its message`);
    return { ...kind, value: 0n, start: head.end, end: head.end + Number(head.value) };
  }

  /** @returns the unsigned 64-bit varint at an offset, and the offset after it */
  async varint(at: number, end: number): Promise<{ value: bigint; end: number }> {
    const bytes = await this.bytes(at, Math.min(end, at + MAX_VARINT));
    let value = 0n;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at + i + 1 };
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
