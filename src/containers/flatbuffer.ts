import { MAX_NAME_BYTES, type ModelFiles, NeuralDiffError } from '../model/index.js';
import { FileWindow } from './file-window.js';
import { decodeUtf8 } from './utf8.js';

/** A run of elements in a file. */
export interface FlatVector {
  /** Where the first element lies. */
  readonly start: number;
  readonly count: number;
}

/** Entries of a vector of tables. */
const MAX_TABLES = 2 ** 20;

/**
 * Reads FlatBuffers where they lie in a file: tables, vectors and texts by their offsets, each checked against the file.
 *
 * Source: FlatBuffers' binary format ("FlatBuffer Internals").
 */
export class FlatReader {
  readonly #file: FileWindow;
  readonly #path: string;
  readonly #size: number;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#file = new FileWindow(files, { path, size });
    this.#path = path;
    this.#size = size;
  }

  bad(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}": ${what}`);
  }

  /** @returns a view of bytes, to be used before the next call */
  async view(start: number, length: number): Promise<DataView> {
    if (start < 0 || start + length > this.#size) throw this.bad('an offset leads out of it');
    const bytes = await this.#file.bytes(start, start + length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  /** @returns where what an unsigned offset points to lies */
  async follow(at: number): Promise<number> {
    const offset = (await this.view(at, 4)).getUint32(0, true);
    if (offset === 0) throw this.bad('an offset is 0');
    return at + offset;
  }

  /**
   * @param table where a table lies
   * @param field its number
   * @returns where the field's value lies; undefined where it has its default
   */
  async field(table: number, field: number): Promise<number | undefined> {
    const start = table - (await this.view(table, 4)).getInt32(0, true);
    const bytes = (await this.view(start, 2)).getUint16(0, true);
    const entry = 4 + 2 * field;
    if (entry + 2 > bytes) return undefined;
    const offset = (await this.view(start + entry, 2)).getUint16(0, true);
    return offset === 0 ? undefined : table + offset;
  }

  /** @returns the table, vector or text that a field points to; undefined for none */
  async target(table: number, field: number): Promise<number | undefined> {
    const at = await this.field(table, field);
    return at === undefined ? undefined : this.follow(at);
  }

  /**
   * @param elementBytes of each element
   * @returns a field's vector; an empty one where the field is not there
   */
  async vector(table: number, field: number, elementBytes: number): Promise<FlatVector> {
    const at = await this.target(table, field);
    if (at === undefined) return { start: 0, count: 0 };
    const count = (await this.view(at, 4)).getUint32(0, true);
    if (at + 4 + count * elementBytes > this.#size) throw this.bad('a list is longer than the file');
    return { start: at + 4, count };
  }

  /** @returns where the tables of a field's vector lie */
  async tables(table: number, field: number): Promise<number[]> {
    const { start, count } = await this.vector(table, field, 4);
    if (count > MAX_TABLES) throw this.bad(`a list has ${count} entries`);
    const tables: number[] = [];
    for (let i = 0; i < count; i++) tables.push(await this.follow(start + 4 * i));
    return tables;
  }

  /** @returns a field's text; empty where it is not there */
  async text(table: number, field: number): Promise<string> {
    const { start, count } = await this.vector(table, field, 1);
    if (count > MAX_NAME_BYTES) throw this.bad(`a name takes ${count} bytes`);
    if (count === 0) return '';
    const { buffer, byteOffset } = await this.view(start, count);
    const text = decodeUtf8(new Uint8Array(buffer, byteOffset, count));
    if (text === undefined) throw this.bad('a name is not UTF-8');
    return text;
  }
}
