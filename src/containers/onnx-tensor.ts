import { NeuralDiffError } from '../model/errors.js';
import { checkInside, type ModelFiles } from '../model/model-files.js';
import type { Extent, PlacedTensor } from '../model/placed-store.js';
import {
  asBytes,
  byteLength,
  checkTensorInfos,
  type StoredType,
  type TensorInfo,
  tensorOf,
} from '../model/tensor.js';
import { decodeUtf8, FileWindow } from './file-window.js';

/** Element types by their number in `TensorProto.DataType`. */
const TYPES: Readonly<Record<number, StoredType>> = {
  1: { dtype: 'float32' },
  2: { dtype: 'uint8' },
  3: { dtype: 'int8' },
  4: asBytes(2),
  5: asBytes(2),
  6: { dtype: 'int32' },
  7: asBytes(8),
  9: { dtype: 'uint8' },
  10: { dtype: 'float16' },
  11: asBytes(8),
  12: asBytes(4),
  13: asBytes(8),
  14: asBytes(8),
  15: asBytes(16),
  16: { dtype: 'bfloat16' },
  17: { dtype: 'uint8' },
  18: { dtype: 'uint8' },
  19: { dtype: 'uint8' },
  20: { dtype: 'uint8' },
};

/** Numbers of `TensorProto`'s fields. */
const DIMS = 1;
const DATA_TYPE = 2;
const SEGMENT = 3;
const NAME = 8;
const RAW_DATA = 9;
const EXTERNAL_DATA = 13;

/** Fields with elements of their own type that lie as they are in memory: float_data, double_data. */
const PLAIN_FIELDS = [4, 10];

/** Fields with a varint an element: int32_data, int64_data, uint64_data. */
const VARINT_FIELDS = [5, 7, 11];

/** Runs of bytes that one tensor may be cut into. */
const MAX_EXTENTS = 2 ** 16;

/** Elements of a tensor that is kept as varints: shapes and axes, small tables. */
const MAX_FIXED_ELEMENTS = 2 ** 20;

/** Bytes of a name, of the path of external data, of a key. */
const MAX_TEXT_BYTES = 2 ** 12;

/** What a `TensorProto` says, as far as it has been read. */
interface Draft {
  name: string;
  shape: number[];
  type: number;
  extents: Extent[];
  varints: bigint[];
  external: Map<string, string>;
}

/** Where a message lies, and of what file. */
interface Place {
  readonly reader: WireReader;
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a `TensorProto`, but not its elements.
 *
 * @param place the message
 * @param prefix goes before the tensor's name
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path`
 */
export async function placeTensor(place: Place, prefix: string): Promise<PlacedTensor> {
  const draft: Draft = { name: '', shape: [], type: 0, extents: [], varints: [], external: new Map() };
  for await (const field of place.reader.fields(place.start, place.end)) await takeField(draft, field, place);
  const name = `${prefix}${draft.name}`;
  const type = TYPES[draft.type];
  if (type === undefined) throw unsupported(name, `its data type is ${draft.type}`);
  const info = tensorOf(name, type, draft.shape);
  checkTensorInfos([info]);
  const forms = [draft.external.size, draft.varints.length, draft.extents.length].filter(
    (count) => count > 0,
  );
  if (forms.length > 1) throw bad(`tensor "${name}" has its data twice`);
  if (draft.external.size > 0) return { ...info, extents: [externalExtent(info, draft.external)] };
  if (draft.varints.length > 0) return { ...info, extents: [], fixed: bytesOf(info, draft.varints) };
  const found = draft.extents.reduce((sum, { length }) => sum + length, 0);
  if (found !== byteLength(info))
    throw bad(`tensor "${name}" has ${found} bytes, expected ${byteLength(info)}`);
  return { ...info, extents: draft.extents };
}

/**
 * Reads where a `TensorProto` says that another file holds its elements.
 *
 * @returns keys and values, `location` among them; none where its elements are its own
 */
export async function readExternal(
  reader: WireReader,
  { start, end }: Pick<WireField, 'start' | 'end'>,
): Promise<ReadonlyMap<string, string>> {
  const external = new Map<string, string>();
  for await (const field of reader.fields(start, end))
    if (field.field === EXTERNAL_DATA) await takeEntry(external, field, reader);
  return external;
}

async function takeField(draft: Draft, field: WireField, place: Place): Promise<void> {
  const { reader, path } = place;
  const { field: number, start, end, wire } = field;
  if (number === SEGMENT) throw unsupported(draft.name, 'it is cut into segments');
  if (number === DIMS) draft.shape.push(...(await varintsOf(field, reader, 64)).map(Number));
  else if (number === DATA_TYPE) draft.type = Number(field.value);
  else if (number === NAME) draft.name = await textOf(field, reader);
  else if (number === EXTERNAL_DATA) await takeEntry(draft.external, field, reader);
  else if (VARINT_FIELDS.includes(number)) {
    const room = MAX_FIXED_ELEMENTS - draft.varints.length;
    for (const value of await varintsOf(field, reader, room)) draft.varints.push(value);
  } else if (number === RAW_DATA || PLAIN_FIELDS.includes(number)) {
    if (wire === 0) throw bad(`tensor "${draft.name}" has a number in place of its data`);
    if (number === RAW_DATA && draft.extents.length > 0)
      throw bad(`tensor "${draft.name}" has its data twice`);
    if (draft.extents.length >= MAX_EXTENTS) throw unsupported(draft.name, 'it lies in too many pieces');
    draft.extents.push({ path, offset: start, length: end - start });
  }
}

/** @returns a repeated number, packed or not */
async function varintsOf(field: WireField, reader: WireReader, most: number): Promise<bigint[]> {
  if (field.wire === 0) return [field.value];
  if (field.wire !== 2) throw bad('a list of numbers is none');
  const values: bigint[] = [];
  for (let at = field.start; at < field.end; ) {
    const { value, end } = await reader.varint(at, field.end);
    if (values.length >= most) throw unsupported('', `a list has more than ${most} numbers`);
    values.push(value);
    at = end;
  }
  return values;
}

async function textOf({ wire, start, end }: WireField, reader: WireReader): Promise<string> {
  if (wire !== 2 || end - start > MAX_TEXT_BYTES) throw bad('a text is none, or too long');
  const text = decodeUtf8(await reader.bytes(start, end));
  if (text === undefined) throw bad('a text is not UTF-8');
  return text;
}

/** Takes a `StringStringEntryProto`. */
async function takeEntry(entries: Map<string, string>, field: WireField, reader: WireReader): Promise<void> {
  if (field.wire !== 2) throw bad('external data are no entry');
  const texts = ['', '', ''];
  for await (const part of reader.fields(field.start, field.end)) {
    if (part.field === 1 || part.field === 2) texts[part.field] = await textOf(part, reader);
  }
  entries.set(texts[1] as string, texts[2] as string);
}

function externalExtent(info: TensorInfo, external: ReadonlyMap<string, string>): Extent {
  const path = checkInside(external.get('location') ?? '');
  const offset = Number(external.get('offset') ?? 0);
  const length = Number(external.get('length') ?? byteLength(info));
  if (!Number.isSafeInteger(offset) || offset < 0 || length !== byteLength(info))
    throw bad(
      `tensor "${info.name}" takes ${byteLength(info)} bytes, not those from ${offset} for ${length}`,
    );
  return { path, offset, length };
}

/** Bytes a varint of a type: those of an element. */
function bytesOf(info: TensorInfo, values: readonly bigint[]): Uint8Array {
  const total = byteLength(info);
  const size = total / values.length;
  if (![1, 2, 4, 8].includes(size)) throw bad(`tensor "${info.name}" has ${values.length} elements`);
  const bytes = new Uint8Array(total);
  for (const [i, value] of values.entries()) {
    for (let byte = 0; byte < size; byte++)
      bytes[i * size + byte] = Number((value >> BigInt(8 * byte)) & 0xffn);
  }
  return bytes;
}

function unsupported(name: string, what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot read tensor "${name}" of the ONNX model: ${what}`);
}

function bad(what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read ONNX model: ${what}`);
}

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
