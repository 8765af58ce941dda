import { NeuralDiffError } from '../model/errors.js';
import type { Extent, PlacedTensor } from '../model/placed-store.js';
import {
  asBytes,
  byteLength,
  checkTensorInfos,
  type StoredType,
  type TensorInfo,
  tensorOf,
} from '../model/tensor.js';
import { tryDecodeUtf8 } from '../model/text.js';
import type { WireField, WireReader } from './wire-reader.js';

/** Element types by their number in `TensorProto.DataType`. */
const TYPES: Readonly<Record<number, StoredType>> = {
  1: { dtype: 'float32' },
  2: { dtype: 'uint8' },
  3: { dtype: 'int8' },
  4: { dtype: 'uint16' },
  5: { dtype: 'int16' },
  6: { dtype: 'int32' },
  7: { dtype: 'int64' },
  9: { dtype: 'uint8' },
  10: { dtype: 'float16' },
  11: { dtype: 'float64' },
  12: { dtype: 'uint32' },
  13: { dtype: 'uint64' },
  14: asBytes(8),
  15: asBytes(16),
  16: { dtype: 'bfloat16' },
  17: { dtype: 'float8_e4m3fn' },
  18: { dtype: 'uint8' },
  19: { dtype: 'float8_e5m2' },
  20: { dtype: 'uint8' },
};

/** Number of strings in `TensorProto.DataType`. */
export const TEXT_TYPE = 8;

/** Numbers of `TensorProto`'s fields. */
const DIMS = 1;
const DATA_TYPE = 2;
const SEGMENT = 3;
const NAME = 8;
const RAW_DATA = 9;
const EXTERNAL_DATA = 13;

/** Fields whose elements are stored as in memory: float_data, double_data. */
const PLAIN_FIELDS = [4, 10];

/** Fields with one varint per element: int32_data, int64_data, uint64_data. */
const VARINT_FIELDS = [5, 7, 11];

/** Byte ranges that one tensor may be split into. */
const MAX_EXTENTS = 2 ** 16;

/** Sizes of a tensor that are read, more than it may have. */
const MAX_SIZES = 64;

/** Entries of a tensor's location in another file: three, and a checksum. */
const MAX_ENTRIES = 64;

/** Elements of a tensor stored as varints: shapes, axes, small tables. */
const MAX_FIXED_ELEMENTS = 2 ** 20;

/** Bytes of a name, a path of external data or a key. */
const MAX_TEXT_BYTES = 2 ** 12;

/** A partially read `TensorProto`. */
interface Draft {
  name: string;
  shape: number[];
  type: number;
  extents: Extent[];
  varints: bigint[];
  varintExtents: Extent[];
  external: Map<string, string>;
}

/** A tensor of an ONNX model. */
export interface OnnxTensor extends PlacedTensor {
  /** Whether the model names the file that has its elements. */
  readonly isExternal?: boolean;
}

/** A message in a file. */
interface TensorMessage {
  readonly reader: WireReader;
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Locates the tensor of a `TensorProto`, without reading its elements.
 *
 * @param message the `TensorProto`
 * @param nameOf names the tensor, given the name in the message
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path`
 */
export async function placeTensor(
  message: TensorMessage,
  nameOf: (stored: string) => Promise<string>,
): Promise<OnnxTensor> {
  const draft: Draft = {
    name: '',
    shape: [],
    type: 0,
    extents: [],
    varints: [],
    varintExtents: [],
    external: new Map(),
  };
  for await (const field of message.reader.fields(message.start, message.end))
    await takeField(draft, field, message);
  const name = await nameOf(draft.name);
  const type = TYPES[draft.type];
  if (type === undefined) throw unsupported(name, `data type ${draft.type}`);
  const info = tensorOf(name, type, draft.shape);
  checkTensorInfos([info]);
  const forms = [draft.external.size, draft.varintExtents.length, draft.extents.length].filter(
    (count) => count > 0,
  );
  if (forms.length > 1) throw invalidOnnx(`duplicate data of tensor "${name}"`);
  if (draft.external.size > 0)
    return { ...info, extents: [externalExtent(info, draft.external)], isExternal: true };
  if (draft.varints.length > 0)
    return { ...info, extents: draft.varintExtents, fixed: bytesOf(info, draft.varints) };
  const found = draft.extents.reduce((sum, { length }) => sum + length, 0);
  if (found !== byteLength(info))
    throw invalidOnnx(`expected ${byteLength(info)} bytes in tensor "${name}", got ${found}`);
  return { ...info, extents: draft.extents };
}

/**
 * Reads the location of a `TensorProto`'s external data.
 *
 * @returns keys and values, including `location`; empty for a tensor without external data
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

/** @returns the number of a `TensorProto`'s element type; 0 for none */
export async function typeOfTensor(
  reader: WireReader,
  { start, end }: Pick<WireField, 'start' | 'end'>,
): Promise<number> {
  let type = 0;
  for await (const field of reader.fields(start, end))
    if (field.field === DATA_TYPE) type = Number(field.value);
  return type;
}

/** @returns the name of a `TensorProto`, the number of its element type (0 for none) and its shape */
export async function readTensorHead(
  reader: WireReader,
  { start, end }: Pick<WireField, 'start' | 'end'>,
): Promise<{ name: string; type: number; shape: readonly number[] }> {
  const head = { name: '', type: 0, shape: [] as number[] };
  for await (const field of reader.fields(start, end)) {
    if (field.field === DIMS) await takeSizes(head.shape, field, reader);
    else if (field.field === DATA_TYPE) head.type = Number(field.value);
    else if (field.field === NAME) head.name = await textOf(field, reader);
  }
  return head;
}

async function takeSizes(shape: number[], field: WireField, reader: WireReader): Promise<void> {
  shape.push(...(await varintsOf(field, reader, MAX_SIZES)).map(Number));
  if (shape.length > MAX_SIZES) throw tooManyNumbers(MAX_SIZES);
}

async function takeField(draft: Draft, field: WireField, message: TensorMessage): Promise<void> {
  const { reader, path } = message;
  const { field: number, start, end, wire } = field;
  if (number === SEGMENT) throw unsupported(draft.name, 'segmented data');
  if (number === DIMS) await takeSizes(draft.shape, field, reader);
  else if (number === DATA_TYPE) draft.type = Number(field.value);
  else if (number === NAME) draft.name = await textOf(field, reader);
  else if (number === EXTERNAL_DATA) await takeEntry(draft.external, field, reader);
  else if (VARINT_FIELDS.includes(number)) {
    const max = MAX_FIXED_ELEMENTS - draft.varints.length;
    for (const value of await varintsOf(field, reader, max)) draft.varints.push(value);
    if (draft.varints.length > MAX_FIXED_ELEMENTS) throw tooManyNumbers(MAX_FIXED_ELEMENTS);
    addExtent(draft.varintExtents, { path, offset: start, length: end - start });
  } else if (number === RAW_DATA || PLAIN_FIELDS.includes(number)) {
    if (wire === 0) throw invalidOnnx(`expected bytes as data of tensor "${draft.name}", got a number`);
    if (number === RAW_DATA && draft.extents.length > 0)
      throw invalidOnnx(`duplicate data of tensor "${draft.name}"`);
    addExtent(draft.extents, { path, offset: start, length: end - start });
  }
}

function addExtent(extents: Extent[], extent: Extent): void {
  if (extents.length >= MAX_EXTENTS) throw unsupported('', `expected data in at most ${MAX_EXTENTS} pieces`);
  extents.push(extent);
}

/** @returns the values of a repeated varint field, packed or not */
export async function varintsOf(field: WireField, reader: WireReader, max: number): Promise<bigint[]> {
  if (field.wire === 0) return [field.value];
  if (field.wire !== 2) throw invalidOnnx('expected packed numbers');
  const values = await reader.varints(field.start, field.end, max);
  if (values === undefined) throw tooManyNumbers(max);
  return values;
}

function tooManyNumbers(max: number): NeuralDiffError {
  return unsupported('', `expected at most ${max} numbers in a list`);
}

/** @returns a string of the file, decoded */
export async function textOf({ wire, start, end }: WireField, reader: WireReader): Promise<string> {
  if (wire !== 2 || end - start > MAX_TEXT_BYTES)
    throw invalidOnnx(`expected a string of at most ${MAX_TEXT_BYTES} bytes`);
  const text = tryDecodeUtf8(await reader.bytes(start, end));
  if (text === undefined) throw invalidOnnx('a string is not UTF-8');
  return text;
}

/** Reads a `StringStringEntryProto` into a map. */
async function takeEntry(entries: Map<string, string>, field: WireField, reader: WireReader): Promise<void> {
  if (field.wire !== 2) throw invalidOnnx('invalid entry of external data');
  const texts = ['', '', ''];
  for await (const part of reader.fields(field.start, field.end)) {
    if (part.field === 1 || part.field === 2) texts[part.field] = await textOf(part, reader);
  }
  if (entries.size >= MAX_ENTRIES || entries.has(texts[1] as string))
    throw invalidOnnx(`external data has the key "${texts[1]}" twice, or too many keys`);
  entries.set(texts[1] as string, texts[2] as string);
}

function externalExtent(info: TensorInfo, external: ReadonlyMap<string, string>): Extent {
  const path = external.get('location') ?? '';
  const offset = Number(external.get('offset') ?? 0);
  const length = Number(external.get('length') ?? byteLength(info));
  if (!Number.isSafeInteger(offset) || offset < 0 || length !== byteLength(info))
    throw invalidOnnx(
      `expected ${byteLength(info)} external bytes for tensor "${info.name}", got ${length} at offset ${offset}`,
    );
  return { path, offset, length };
}

/** @returns varints as the elements of a tensor, little-endian */
function bytesOf(info: TensorInfo, values: readonly bigint[]): Uint8Array {
  const total = byteLength(info);
  const size = total / values.length;
  if (![1, 2, 4, 8].includes(size))
    throw invalidOnnx(`tensor "${info.name}" has ${values.length} values for ${total} bytes`);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  // Each setter keeps the low bits.
  for (const [i, value] of values.entries()) {
    if (size === 8) view.setBigUint64(8 * i, value, true);
    else if (size === 4) view.setUint32(4 * i, Number(BigInt.asUintN(32, value)), true);
    else if (size === 2) view.setUint16(2 * i, Number(BigInt.asUintN(16, value)), true);
    else view.setUint8(i, Number(BigInt.asUintN(8, value)));
  }
  return bytes;
}

function unsupported(name: string, what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot read tensor "${name}" of the ONNX model: ${what}`);
}

/** @returns the error for an invalid ONNX model */
export function invalidOnnx(what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read ONNX model: ${what}`);
}
