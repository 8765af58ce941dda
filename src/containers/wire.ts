import { type ModelFiles, NeuralDiffError } from '../model/index.js';
import { FileWindow } from './file-window.js';

/** A field of a Protocol Buffers message: a number, or bytes that lie in the file. */
export interface WireField {
  readonly field: number;
  /** Of varints; their lower 53 bits count, as numbers that are too large are refused. */
  readonly value: bigint;
  /** Of everything else: where the bytes lie. */
  readonly start: number;
  readonly end: number;
  /** 0 varint, 1 eight bytes, 2 bytes with a length, 5 four bytes. */
  readonly wire: number;
}

/** Bytes of the longest varint. */
const MAX_VARINT = 10;

/** Reads Protocol Buffers messages where they lie in a file, without holding what it passes over. */
export class WireReader {
  readonly #file: FileWindow;
  readonly #path: string;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#file = new FileWindow(files, { path, size });
    this.#path = path;
  }

  /**
   * Walks the fields of a message.
   *
   * @param start where the message's first byte lies
   * @param end where the byte behind its last one lies
   * @throws NeuralDiffError `bad-model` for fields that do not end where the message does
   */
  async *fields(start: number, end: number): AsyncGenerator<WireField> {
    for (let at = start; at < end; ) {
      const tag = await this.varint(at, end);
      const field = Number(tag.value >> 3n);
      const wire = Number(tag.value & 7n);
      if (field < 1 || field >= 2 ** 29) throw this.#bad(`there is no field ${field}`);
      const next = await this.#fieldAt(tag.end, end, { field, wire });
      at = next.end;
      yield next;
    }
  }

  async #fieldAt(at: number, end: number, kind: { field: number; wire: number }): Promise<WireField> {
    const { wire } = kind;
    if (wire === 0) return { ...kind, start: at, ...(await this.varint(at, end)) };
    const head = wire === 2 ? await this.varint(at, end) : { value: wire === 1 ? 8n : 4n, end: at };
    if (![1, 2, 5].includes(wire)) throw this.#bad(`a field has wire type ${wire}`);
    if (head.value > BigInt(end - head.end))
      throw this.#bad(`field ${kind.field} is longer than its message`);
    return { ...kind, value: 0n, start: head.end, end: head.end + Number(head.value) };
  }

  /** @returns an unsigned number of 64 bits at a place, and where it ends */
  async varint(at: number, end: number): Promise<{ value: bigint; end: number }> {
    const bytes = await this.bytes(at, Math.min(end, at + MAX_VARINT));
    let value = 0n;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: at + i + 1 };
    }
    throw this.#bad('a number does not end');
  }

  /** @returns bytes of the file, to be used before the next call */
  bytes(start: number, end: number): Promise<Uint8Array> {
    return this.#file.bytes(start, end);
  }

  #bad(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}": ${what}`);
  }
}
