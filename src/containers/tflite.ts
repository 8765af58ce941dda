import { NeuralDiffError } from '../model/errors.js';
import { MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore, type PlacedTensor } from '../model/placed-store.js';
import {
  asBytes,
  byteLength,
  checkTensorInfos,
  elementCount,
  type StoredType,
  type TensorInfo,
  tensorOf,
} from '../model/tensor.js';
import { decodeLatin1, tryDecodeUtf8 } from '../model/text.js';
import { checkApart, FileWindow } from './file-window.js';

/** File identifier, after the first offset. */
const IDENTIFIER = 'TFL3';

/** Field numbers of the schema. */
const MODEL = { subgraphs: 2, buffers: 4 } as const;
const SUBGRAPH = { tensors: 0 } as const;
const TENSOR = { shape: 0, type: 1, buffer: 2, name: 3, quantization: 4, sparsity: 6 } as const;
const QUANTIZATION = { scale: 2, zeroPoint: 3 } as const;
const BUFFER = { data: 0, offset: 1, size: 2 } as const;

/** Element types by their number in `TensorType`; tensors of other types become bytes. */
const TYPES: Readonly<Record<number, StoredType>> = {
  0: { dtype: 'float32' },
  1: { dtype: 'float16' },
  2: { dtype: 'int32' },
  3: { dtype: 'uint8' },
  4: { dtype: 'int64' },
  6: { dtype: 'uint8' },
  7: { dtype: 'int16' },
  8: asBytes(8),
  9: { dtype: 'int8' },
  10: { dtype: 'float64' },
  11: asBytes(16),
  12: { dtype: 'uint64' },
  15: { dtype: 'uint32' },
  16: { dtype: 'uint16' },
  18: { dtype: 'bfloat16' },
};

/**
 * Opens the constant tensors of a TFLite model, those whose buffer has data, as a store. Writes go to the
 * file in place.
 *
 * Scales and zero points of quantised tensors are tensors too (`conv/scale`, `conv/zero_point`). Tensors of
 * later subgraphs are prefixed with the subgraph's index (`1/kernel`). Of tensors that share a buffer, the
 * first is used. Sparse tensors have one dimension: the values that are stored.
 *
 * Source: TensorFlow Lite's schema, version 3.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `bad-model`
 */
export async function openTfliteStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  const size = await files.size(path);
  const reader = new FlatReader(files, path, size);
  const { buffer, byteOffset } = await reader.view(0, 8);
  if (!isTflite(new Uint8Array(buffer, byteOffset, 8))) throw reader.invalid('not a TFLite model');
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

/** @returns whether a file that starts with these bytes is a TFLite model */
export function isTflite(head: Uint8Array): boolean {
  return decodeLatin1(head.subarray(4, 8)) === IDENTIFIER;
}

/** Collects the constant tensors of a model. */
class Scan {
  readonly tensors: PlacedTensor[] = [];
  readonly #reader: FlatReader;
  readonly #path: string;
  readonly #buffers: readonly number[];
  readonly #names = new Set<string>();
  /** Offsets of the data of the collected tensors. */
  readonly #starts = new Set<number>();

  constructor(reader: FlatReader, path: string, buffers: readonly number[]) {
    this.#reader = reader;
    this.#path = path;
    this.#buffers = buffers;
  }

  /** Adds a tensor if it is constant. Empty and duplicate names get the tensor's number appended. */
  async add(table: number, { prefix, number }: { prefix: string; number: number }): Promise<void> {
    const data = await this.#dataOf(table);
    if (data === undefined || this.#starts.has(data.start)) return;
    if (this.tensors.length >= MAX_TENSORS)
      throw this.#reader.invalid(`expected at most ${MAX_TENSORS} tensors`);
    const stored = `${prefix}${await this.#reader.text(table, TENSOR.name)}`;
    const name = stored === prefix ? `${stored}#${number}` : this.#unused(stored, number);
    this.#names.add(name);
    const info = await this.#infoOf(table, name, data.count);
    checkTensorInfos([info]);
    if (byteLength(info) !== data.count)
      throw this.#reader.invalid(`expected ${byteLength(info)} bytes in tensor "${name}", got ${data.count}`);
    this.#place(info, data.start);
    await this.#addQuantization(table, name, number);
  }

  /** @param count bytes of the tensor's data */
  async #infoOf(table: number, name: string, count: number): Promise<TensorInfo> {
    const typeAt = await this.#reader.field(table, TENSOR.type);
    const code = typeAt === undefined ? 0 : (await this.#reader.view(typeAt, 1)).getUint8(0);
    const type = TYPES[code];
    if (type === undefined) return tensorOf(name, { dtype: 'uint8' }, [count]);
    const isSparse = (await this.#reader.target(table, TENSOR.sparsity)) !== undefined;
    if (!isSparse) return tensorOf(name, type, await this.#shapeOf(table));
    // Only the values that are not zero; which these are is part of the graph.
    const elements = count / byteLength(tensorOf(name, type, []));
    return tensorOf(name, type, [elements]);
  }

  /** @returns the byte range of a constant tensor; undefined for a computed one */
  async #dataOf(table: number): Promise<{ start: number; count: number } | undefined> {
    const at = await this.#reader.field(table, TENSOR.buffer);
    const index = at === undefined ? 0 : (await this.#reader.view(at, 4)).getUint32(0, true);
    if (index === 0) return undefined;
    const buffer = this.#buffers[index];
    if (buffer === undefined) throw this.#reader.invalid(`unknown buffer ${index}`);
    const data = await this.#reader.vector(buffer, BUFFER.data, 1);
    if (data.count > 0) return data;
    const start = await this.#number64(buffer, BUFFER.offset);
    const count = await this.#number64(buffer, BUFFER.size);
    // Offsets 0 and 1 mean no data.
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
    if (count > MAX_RANK) throw this.#reader.invalid(`a tensor has ${count} dimensions`);
    const view = await this.#reader.view(start, 4 * count);
    return Array.from({ length: count }, (_, i) => view.getInt32(4 * i, true));
  }

  /** @returns the name, with the tensor's index appended if another tensor has it */
  #unused(name: string, number: number): string {
    return this.#names.has(name) ? `${name}#${number}` : name;
  }

  async #addQuantization(table: number, name: string, number: number): Promise<void> {
    const quantization = await this.#reader.target(table, TENSOR.quantization);
    if (quantization === undefined) return;
    const scale = await this.#reader.vector(quantization, QUANTIZATION.scale, 4);
    const zero = await this.#reader.vector(quantization, QUANTIZATION.zeroPoint, 8);
    if (scale.count > 0)
      this.#place(
        tensorOf(this.#unused(`${name}/scale`, number), { dtype: 'float32' }, [scale.count]),
        scale.start,
      );
    if (zero.count > 0)
      this.#place(
        tensorOf(this.#unused(`${name}/zero_point`, number), { dtype: 'int64' }, [zero.count]),
        zero.start,
      );
  }

  /** Adds a tensor unless its bytes are already in use, since parts of a FlatBuffer may be shared. */
  #place(info: ReturnType<typeof tensorOf>, start: number): void {
    if (this.#starts.has(start)) return;
    this.#starts.add(start);
    this.#names.add(info.name);
    const extents =
      elementCount(info) === 0 ? [] : [{ path: this.#path, offset: start, length: byteLength(info) }];
    this.tensors.push({ ...info, extents });
  }
}

/** A vector in a file. */
interface FlatVector {
  /** Offset of the first element. */
  readonly start: number;
  readonly count: number;
}

/** Tables that are visited; a table may be in several vectors, and is then visited more than once. */
const MAX_VISITS = 2 ** 19;

/** Bytes read at once: a small file whole, since the parts of a table may be far apart. */
const WHOLE_BYTES = 2 ** 20;
const WINDOW_BYTES = 2 ** 12;

/** Bytes of a file for one visit: what a table takes in its vector, so more visits need shared vectors. */
const VISIT_BYTES = 4;

/**
 * Reads tables, vectors and strings of a FlatBuffer in a file, with every offset checked against the file's
 * bounds.
 *
 * Source: FlatBuffers' binary format ("FlatBuffer Internals").
 */
class FlatReader {
  readonly #file: FileWindow;
  readonly #path: string;
  readonly #size: number;
  #visitsLeft: number;

  constructor(files: ModelFiles, path: string, size: number) {
    const windowBytes = size <= WHOLE_BYTES ? size : WINDOW_BYTES;
    this.#file = new FileWindow(files, { path, size, windowBytes });
    this.#path = path;
    this.#size = size;
    this.#visitsLeft = Math.min(MAX_VISITS, size / VISIT_BYTES);
  }

  invalid(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}": ${what}`);
  }

  /** @returns a view of a byte range, valid until the next call */
  async view(start: number, length: number): Promise<DataView> {
    if (start < 0 || start + length > this.#size) throw this.invalid('an offset exceeds the file');
    const bytes = await this.#file.bytes(start, start + length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  /** @returns the target of the unsigned offset stored at a position */
  async follow(at: number): Promise<number> {
    const offset = (await this.view(at, 4)).getUint32(0, true);
    if (offset === 0) throw this.invalid('unexpected offset 0');
    return at + offset;
  }

  /**
   * Finds a field of a table.
   *
   * @param table position of the table
   * @param field number of the field
   * @returns position of the field's value; undefined for an absent field
   */
  async field(table: number, field: number): Promise<number | undefined> {
    const start = table - (await this.view(table, 4)).getInt32(0, true);
    const bytes = (await this.view(start, 2)).getUint16(0, true);
    const entry = 4 + 2 * field;
    if (entry + 2 > bytes) return undefined;
    const offset = (await this.view(start + entry, 2)).getUint16(0, true);
    return offset === 0 ? undefined : table + offset;
  }

  /**
   * @returns position of the table, vector or string that a field points to; undefined for an absent field
   */
  async target(table: number, field: number): Promise<number | undefined> {
    const at = await this.field(table, field);
    return at === undefined ? undefined : this.follow(at);
  }

  /**
   * Reads the head of a vector.
   *
   * @param elementBytes size of an element in bytes
   * @returns the field's vector; empty for an absent field
   */
  async vector(table: number, field: number, elementBytes: number): Promise<FlatVector> {
    const at = await this.target(table, field);
    if (at === undefined) return { start: 0, count: 0 };
    const count = (await this.view(at, 4)).getUint32(0, true);
    if (at + 4 + count * elementBytes > this.#size) throw this.invalid('a vector exceeds the file');
    return { start: at + 4, count };
  }

  /**
   * @returns positions of the tables in a field's vector
   * @throws NeuralDiffError `bad-model` for more tables than the file can hold, in vectors that are shared
   */
  async tables(table: number, field: number): Promise<number[]> {
    const { start, count } = await this.vector(table, field, 4);
    this.#visitsLeft -= count;
    if (this.#visitsLeft < 0)
      throw this.invalid('its vectors of tables are too large, or shared by too many');
    const tables: number[] = [];
    for (let i = 0; i < count; i++) tables.push(await this.follow(start + 4 * i));
    return tables;
  }

  /** @returns a field's string; empty for an absent field */
  async text(table: number, field: number): Promise<string> {
    const { start, count } = await this.vector(table, field, 1);
    if (count > MAX_NAME_BYTES)
      throw this.invalid(`expected names of at most ${MAX_NAME_BYTES} bytes, got ${count}`);
    if (count === 0) return '';
    const { buffer, byteOffset } = await this.view(start, count);
    const text = tryDecodeUtf8(new Uint8Array(buffer, byteOffset, count));
    if (text === undefined) throw this.invalid('a name is not UTF-8');
    return text;
  }
}
