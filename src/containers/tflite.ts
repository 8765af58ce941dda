import { NeuralDiffError } from '../model/errors.js';
import { MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import {
  asBytes,
  byteLength,
  checkTensorInfos,
  elementCount,
  type StoredType,
  tensorOf,
} from '../model/tensor.js';
import { checkApart, decodeUtf8, FileWindow } from './file-window.js';

/** Letters behind the first offset. */
const IDENTIFIER = 'TFL3';

/** Numbers of the schema's fields. */
const MODEL = { subgraphs: 2, buffers: 4 } as const;
const SUBGRAPH = { tensors: 0 } as const;
const TENSOR = { shape: 0, type: 1, buffer: 2, name: 3, quantization: 4 } as const;
const QUANTIZATION = { scale: 2, zeroPoint: 3 } as const;
const BUFFER = { data: 0, offset: 1, size: 2 } as const;

/** Element types by their number in `TensorType`; others are rows of bytes. */
const TYPES: Readonly<Record<number, StoredType>> = {
  0: { dtype: 'float32' },
  1: { dtype: 'float16' },
  2: { dtype: 'int32' },
  3: { dtype: 'uint8' },
  4: asBytes(8),
  6: { dtype: 'uint8' },
  7: asBytes(2),
  8: asBytes(8),
  9: { dtype: 'int8' },
  10: asBytes(8),
  11: asBytes(16),
  12: asBytes(8),
  15: asBytes(4),
  16: asBytes(2),
  18: { dtype: 'bfloat16' },
};

/**
 * Opens the constant tensors of a TFLite model as a store: those whose buffer has data. Scales and zero points of quantised
 * tensors are tensors too (`conv/scale`, `conv/zero_point`). Writes go to the file in place.
 *
 * Source: TensorFlow Lite's schema, version 3. Tensors of further subgraphs have their number before their name (`1/kernel`);
 * of tensors that share a buffer, the first counts.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`
 */
export async function openTfliteStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const size = await files.size(path);
  const reader = new FlatReader(files, path, size);
  const { buffer, byteOffset } = await reader.view(0, 8);
  if (!isTflite(new Uint8Array(buffer, byteOffset, 8))) throw reader.bad('it is no TFLite model');
  const model = await reader.follow(0);
  const scan = new Scan(reader, path, await reader.tables(model, MODEL.buffers));
  for (const [index, subgraph] of (await reader.tables(model, MODEL.subgraphs)).entries()) {
    for (const [number, tensor] of (await reader.tables(subgraph, SUBGRAPH.tensors)).entries())
      await scan.add(tensor, { prefix: index === 0 ? '' : `${index}/`, number });
  }
  checkTensorInfos(scan.tensors);
  checkApart(scan.tensors);
  return openPlacedStore(files, scan.tensors);
}

/** @returns whether a file that begins so is a TFLite model */
export function isTflite(head: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(head.subarray(4, 8)) === IDENTIFIER;
}

class Scan {
  readonly tensors: PlacedTensor[] = [];
  readonly #reader: FlatReader;
  readonly #path: string;
  readonly #buffers: readonly number[];
  readonly #names = new Set<string>();
  readonly #taken = new Set<number>();

  constructor(reader: FlatReader, path: string, buffers: readonly number[]) {
    this.#reader = reader;
    this.#path = path;
    this.#buffers = buffers;
  }

  /** Takes a tensor if it is constant. Nothing keeps names unique: a second one gets its number. */
  async add(table: number, place: { prefix: string; number: number }): Promise<void> {
    const data = await this.#dataOf(table);
    if (data === undefined || this.#taken.has(data.start)) return;
    if (this.tensors.length >= MAX_TENSORS) throw this.#reader.bad(`it has more than ${MAX_TENSORS} tensors`);
    const plain = `${place.prefix}${await this.#reader.text(table, TENSOR.name)}`;
    const name = plain === place.prefix || this.#names.has(plain) ? `${plain}#${place.number}` : plain;
    this.#names.add(name);
    const shape = await this.#shapeOf(table);
    const typeAt = await this.#reader.field(table, TENSOR.type);
    const code = typeAt === undefined ? 0 : (await this.#reader.view(typeAt, 1)).getUint8(0);
    const type = TYPES[code];
    const info = type ? tensorOf(name, type, shape) : tensorOf(name, { dtype: 'uint8' }, [data.count]);
    checkTensorInfos([info]);
    if (byteLength(info) !== data.count)
      throw this.#reader.bad(`tensor "${name}" has ${data.count} bytes, expected ${byteLength(info)}`);
    this.#place(info, data.start);
    await this.#addQuantization(table, name);
  }

  /** @returns where a constant tensor's bytes lie; undefined for what is computed */
  async #dataOf(table: number): Promise<{ start: number; count: number } | undefined> {
    const at = await this.#reader.field(table, TENSOR.buffer);
    const index = at === undefined ? 0 : (await this.#reader.view(at, 4)).getUint32(0, true);
    if (index === 0) return undefined;
    const buffer = this.#buffers[index];
    if (buffer === undefined) throw this.#reader.bad(`there is no buffer ${index}`);
    const inside = await this.#reader.vector(buffer, BUFFER.data, 1);
    if (inside.count > 0) return inside;
    const start = await this.#number64(buffer, BUFFER.offset);
    const count = await this.#number64(buffer, BUFFER.size);
    // Offsets of 0 and 1 say that there are none.
    if (start < 2 || count === 0) return undefined;
    await this.#reader.view(start + count - 1, 1);
    return { start, count };
  }

  async #number64(table: number, field: number): Promise<number> {
    const at = await this.#reader.field(table, field);
    return at === undefined ? 0 : Number((await this.#reader.view(at, 8)).getBigUint64(0, true));
  }

  async #shapeOf(table: number): Promise<number[]> {
    const { start, count } = await this.#reader.vector(table, TENSOR.shape, 4);
    if (count > MAX_RANK) throw this.#reader.bad(`a tensor has ${count} dimensions`);
    const view = await this.#reader.view(start, 4 * count);
    return Array.from({ length: count }, (_, i) => view.getInt32(4 * i, true));
  }

  async #addQuantization(table: number, name: string): Promise<void> {
    const quantization = await this.#reader.target(table, TENSOR.quantization);
    if (quantization === undefined) return;
    const scale = await this.#reader.vector(quantization, QUANTIZATION.scale, 4);
    const zero = await this.#reader.vector(quantization, QUANTIZATION.zeroPoint, 8);
    if (scale.count > 0)
      this.#place(tensorOf(`${name}/scale`, { dtype: 'float32' }, [scale.count]), scale.start);
    if (zero.count > 0) this.#place(tensorOf(`${name}/zero_point`, asBytes(8), [zero.count]), zero.start);
  }

  /** Parts of a FlatBuffer may be shared: of tensors on the same bytes, the first counts. */
  #place(info: ReturnType<typeof tensorOf>, start: number): void {
    if (this.#taken.has(start)) return;
    this.#taken.add(start);
    const extents =
      elementCount(info) === 0 ? [] : [{ path: this.#path, offset: start, length: byteLength(info) }];
    this.tensors.push({ ...info, extents });
  }
}

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
