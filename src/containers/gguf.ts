import { NeuralDiffError } from '../model/errors.js';
import { MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore, type PlacedTensor } from '../model/placed-store.js';
import { byteLength, checkTensorInfos, type StoredType, tensorOf } from '../model/tensor.js';
import { decodeLatin1, tryDecodeUtf8 } from '../model/text.js';
import { checkApart, FileWindow } from './file-window.js';

/** Key of the alignment of tensors in bytes, and its default. */
const ALIGNMENT_KEY = 'general.alignment';
const ALIGNMENT = 32;

/** Key-value pairs before the tensors. */
const MAX_ENTRIES = 2 ** 16;

/**
 * Opens a GGUF file as a store.
 *
 * Block-quantised weights (`Q4_K` and similar) are tensors of bytes, in rows of blocks. Writes go to the file
 * in place.
 *
 * Source: GGUF, versions 2 and 3, little-endian. GGUF lists the fastest dimension first; shapes here list it
 * last.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for other versions and block types
 */
export async function openGgufStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  const size = await files.size(path);
  const reader = new GgufReader(files, path, size);
  const version = await reader.begin();
  if (version !== 2 && version !== 3) throw reader.unsupported(`expected version 2 or 3, got ${version}`);
  const tensorCount = await reader.count(MAX_TENSORS, 'tensors');
  const entryCount = await reader.count(MAX_ENTRIES, 'keys');
  const alignment = await readAlignment(reader, entryCount);
  if (!(Number.isInteger(alignment) && alignment >= 8 && alignment <= 2 ** 20 && alignment % 8 === 0))
    throw reader.invalid(`expected an alignment of 8 to 2^20 bytes, a multiple of 8, got ${alignment}`);
  const drafts: Draft[] = [];
  for (let i = 0; i < tensorCount; i++) drafts.push(await readTensor(reader));
  const start = alignment * Math.ceil(reader.at / alignment);
  const tensors = drafts.map(({ offset, ...info }): PlacedTensor => {
    if (offset % alignment !== 0) throw reader.invalid(`tensor "${info.name}" is not aligned`);
    const extent = { path, offset: start + offset, length: byteLength(info) };
    if (extent.offset + extent.length > size) throw reader.invalid(`tensor "${info.name}" exceeds the file`);
    return { ...info, extents: [extent] };
  });
  checkTensorInfos(tensors);
  checkApart(tensors);
  return openPlacedStore(files, tensors);
}

/** Reads the keys before the tensors. @returns the alignment of tensors; 0 for an invalid one */
async function readAlignment(reader: GgufReader, entries: number): Promise<number> {
  const keys = new Set<string>();
  let alignment = ALIGNMENT;
  for (let i = 0; i < entries; i++) {
    const { key, value } = await reader.entry();
    if (keys.has(key)) throw reader.invalid(`duplicate key "${key}"`);
    keys.add(key);
    if (key === ALIGNMENT_KEY) alignment = value ?? 0;
  }
  return alignment;
}

type Draft = ReturnType<typeof tensorOf> & { offset: number };

async function readTensor(reader: GgufReader): Promise<Draft> {
  const name = await reader.text();
  const rank = await reader.number32();
  if (rank > MAX_RANK) throw reader.invalid(`tensor "${name}" has ${rank} dimensions`);
  const sizes: number[] = [];
  for (let i = 0; i < rank; i++) sizes.push(await reader.number64());
  const code = await reader.number32();
  const type = typeOfGguf(code);
  if (type === undefined) throw reader.unsupported(`tensor "${name}" has unknown type ${code}`);
  const [row = 1, ...outer] = sizes;
  if (row % type.elements !== 0)
    throw reader.invalid(`expected rows in multiples of ${type.elements} in tensor "${name}", got ${row}`);
  const shape = type.stored ? sizes : [(row / type.elements) * type.bytes, ...outer];
  const info = tensorOf(name, type.stored ?? { dtype: 'uint8' }, shape.reverse());
  checkTensorInfos([info]);
  return { ...info, offset: await reader.number64() };
}

/** An element type of a GGUF file. */
interface GgufType {
  /** Weights per block, and bytes per block. */
  readonly elements: number;
  readonly bytes: number;
  /** Set for types without blocks. */
  readonly stored?: StoredType;
}

const plain = (stored: StoredType, bytes: number): GgufType => ({ elements: 1, bytes, stored });
const blocks = (elements: number, bytes: number): GgufType => ({ elements, bytes });

/** Types by their number in `ggml_type`. */
const TYPES: Readonly<Record<number, GgufType>> = {
  0: plain({ dtype: 'float32' }, 4),
  1: plain({ dtype: 'float16' }, 2),
  2: blocks(32, 18),
  3: blocks(32, 20),
  6: blocks(32, 22),
  7: blocks(32, 24),
  8: blocks(32, 34),
  9: blocks(32, 36),
  10: blocks(256, 84),
  11: blocks(256, 110),
  12: blocks(256, 144),
  13: blocks(256, 176),
  14: blocks(256, 210),
  15: blocks(256, 292),
  16: blocks(256, 66),
  17: blocks(256, 74),
  18: blocks(256, 98),
  19: blocks(256, 50),
  20: blocks(32, 18),
  21: blocks(256, 110),
  22: blocks(256, 82),
  23: blocks(256, 136),
  24: plain({ dtype: 'int8' }, 1),
  25: plain({ dtype: 'int16' }, 2),
  26: plain({ dtype: 'int32' }, 4),
  27: plain({ dtype: 'int64' }, 8),
  28: plain({ dtype: 'float64' }, 8),
  29: blocks(256, 56),
  30: plain({ dtype: 'bfloat16' }, 2),
  34: blocks(256, 54),
  35: blocks(256, 66),
  39: blocks(32, 17),
};

/** @returns the type with a number; undefined for an unknown number */
function typeOfGguf(code: number): GgufType | undefined {
  return Object.hasOwn(TYPES, code) ? TYPES[code] : undefined;
}

/** Bytes of values by their type number; strings are 8, arrays 9. */
const SIZES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const UINT32 = 4;
const TEXT = 8;
const LIST = 9;

/** Nesting depth of lists. */
const MAX_DEPTH = 4;

/** Reads the metadata before the tensors of a GGUF file, value by value. */
class GgufReader {
  readonly #file: FileWindow;
  readonly #path: string;
  readonly #size: number;
  #at = 0;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#file = new FileWindow(files, { path, size });
    this.#path = path;
    this.#size = size;
  }

  /** Offset of the next value. */
  get at(): number {
    return this.#at;
  }

  invalid(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}" as GGUF: ${what}`);
  }

  unsupported(what: string): NeuralDiffError {
    return new NeuralDiffError('unsupported-model', `Cannot read "${this.#path}" as GGUF: ${what}`);
  }

  /** Checks the magic. @returns the version */
  async begin(): Promise<number> {
    const magic = decodeLatin1(await this.#take(4));
    if (magic !== 'GGUF') throw this.invalid('expected it to start with "GGUF"');
    return this.number32();
  }

  async number32(): Promise<number> {
    const bytes = await this.#take(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  async number64(): Promise<number> {
    const bytes = await this.#take(8);
    const value = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.invalid('a number is too large');
    return Number(value);
  }

  async count(max: number, what: string): Promise<number> {
    const count = await this.number64();
    if (count > max) throw this.invalid(`expected at most ${max} ${what}, got ${count}`);
    return count;
  }

  /** @returns a name or a key */
  async text(): Promise<string> {
    const length = await this.number64();
    if (length > MAX_NAME_BYTES)
      throw this.invalid(`expected names of at most ${MAX_NAME_BYTES} bytes, got ${length}`);
    const text = tryDecodeUtf8(await this.#take(length));
    if (text === undefined) throw this.invalid('a name is not UTF-8');
    return text;
  }

  /** @returns a key, and its value if that is a uint32 */
  async entry(): Promise<{ key: string; value: number | undefined }> {
    const key = await this.text();
    const type = await this.number32();
    if (type === UINT32) return { key, value: await this.number32() };
    await this.#skip(type, 0);
    return { key, value: undefined };
  }

  async #skip(type: number, depth: number): Promise<void> {
    const size = SIZES[type];
    if (size !== undefined) this.#advance(size);
    else if (type === TEXT) this.#advance(await this.number64());
    else if (type === LIST && depth < MAX_DEPTH) await this.#skipList(depth + 1);
    else throw this.invalid(`unknown type ${type} of a value`);
  }

  async #skipList(depth: number): Promise<void> {
    const type = await this.number32();
    const count = await this.number64();
    const size = SIZES[type];
    // Every element takes at least one byte, which bounds the loop below.
    if (count > this.#size) throw this.invalid(`a list of ${count} values exceeds the file`);
    if (size !== undefined) return this.#advance(size * count);
    for (let i = 0; i < count; i++) await this.#skip(type, depth);
  }

  #advance(bytes: number): void {
    if (bytes > this.#size - this.#at) throw this.invalid('the file is truncated');
    this.#at += bytes;
  }

  async #take(length: number): Promise<Uint8Array> {
    const start = this.#at;
    this.#advance(length);
    return this.#file.bytes(start, this.#at);
  }
}
