import { NeuralDiffError } from '../model/errors.js';
import { MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import { asBytes, byteLength, checkTensorInfos, type StoredType, tensorOf } from '../model/tensor.js';
import { checkApart, decodeUtf8, FileWindow } from './file-window.js';

/** Key of what tensors are aligned to, and what that is without it. */
const ALIGNMENT_KEY = 'general.alignment';
const ALIGNMENT = 32;

/** Keys and values in front of the tensors. */
const MAX_ENTRIES = 2 ** 16;

/**
 * Opens a GGUF file as a store. Weights in blocks (`Q4_K` and its like) are tensors of bytes, a row of blocks a row. Writes go
 * to the file in place.
 *
 * Source: GGUF, versions 2 and 3, little-endian. Its sizes have the fastest dimension first; shapes here have it last.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for other versions and types of blocks
 */
export async function openGgufStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const size = await files.size(path);
  const reader = new GgufReader(files, path, size);
  const version = await reader.begin();
  if (version !== 2 && version !== 3) throw reader.unsupported(`its version is ${version}`);
  const tensorCount = await reader.count(MAX_TENSORS, 'tensors');
  const entryCount = await reader.count(MAX_ENTRIES, 'keys');
  let alignment = ALIGNMENT;
  for (let i = 0; i < entryCount; i++) {
    const { key, value } = await reader.entry();
    if (key === ALIGNMENT_KEY) alignment = value ?? 0;
  }
  if (!(Number.isInteger(alignment) && alignment >= 8 && alignment <= 2 ** 20 && alignment % 8 === 0))
    throw reader.bad(`its tensors are aligned to ${alignment}`);
  const drafts: Draft[] = [];
  for (let i = 0; i < tensorCount; i++) drafts.push(await readTensor(reader));
  const start = alignment * Math.ceil(reader.at / alignment);
  const tensors = drafts.map(({ offset, ...info }): PlacedTensor => {
    if (offset % alignment !== 0) throw reader.bad(`tensor "${info.name}" is not aligned`);
    const extent = { path, offset: start + offset, length: byteLength(info) };
    if (extent.offset + extent.length > size) throw reader.bad(`tensor "${info.name}" lies beyond its end`);
    return { ...info, extents: [extent] };
  });
  checkTensorInfos(tensors);
  checkApart(tensors);
  return openPlacedStore(files, tensors);
}

type Draft = ReturnType<typeof tensorOf> & { offset: number };

async function readTensor(reader: GgufReader): Promise<Draft> {
  const name = await reader.text();
  const rank = await reader.number32();
  if (rank > MAX_RANK) throw reader.bad(`tensor "${name}" has ${rank} dimensions`);
  const sizes: number[] = [];
  for (let i = 0; i < rank; i++) sizes.push(await reader.number64());
  const code = await reader.number32();
  const type = typeOfGguf(code);
  if (type === undefined) throw reader.unsupported(`tensor "${name}" has type ${code}`);
  const [row = 1, ...outer] = sizes;
  if (row % type.elements !== 0) throw reader.bad(`tensor "${name}" has rows of ${row} weights`);
  const shape = type.stored ? sizes : [(row / type.elements) * type.bytes, ...outer];
  const info = tensorOf(name, type.stored ?? { dtype: 'uint8' }, shape.reverse());
  checkTensorInfos([info]);
  return { ...info, offset: await reader.number64() };
}

/** Bytes of values by their type; texts are 8, arrays 9. */
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

/** Lists within lists. */
const MAX_DEPTH = 4;

/** Reads what lies in front of the tensors of a GGUF file, value after value. */
export class GgufReader {
  readonly #file: FileWindow;
  readonly #path: string;
  readonly #size: number;
  #at = 0;

  constructor(files: ModelFiles, path: string, size: number) {
    this.#file = new FileWindow(files, { path, size });
    this.#path = path;
    this.#size = size;
  }

  /** Offset of what is read next. */
  get at(): number {
    return this.#at;
  }

  bad(what: string): NeuralDiffError {
    return new NeuralDiffError('bad-model', `Cannot read "${this.#path}" as GGUF: ${what}`);
  }

  unsupported(what: string): NeuralDiffError {
    return new NeuralDiffError('unsupported-model', `Cannot read "${this.#path}" as GGUF: ${what}`);
  }

  /** @returns the version behind the magic letters */
  async begin(): Promise<number> {
    const magic = new TextDecoder('latin1').decode(await this.#take(4));
    if (magic !== 'GGUF') throw this.bad('it does not begin as such a file');
    return this.number32();
  }

  async number32(): Promise<number> {
    const bytes = await this.#take(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  async number64(): Promise<number> {
    const bytes = await this.#take(8);
    const value = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.bad('a number is too large');
    return Number(value);
  }

  async count(most: number, what: string): Promise<number> {
    const count = await this.number64();
    if (count > most) throw this.bad(`it has ${count} ${what}, at most ${most} are read`);
    return count;
  }

  /** @returns a name or a key */
  async text(): Promise<string> {
    const length = await this.number64();
    if (length > MAX_NAME_BYTES) throw this.bad(`a name takes ${length} bytes`);
    const text = decodeUtf8(await this.#take(length));
    if (text === undefined) throw this.bad('a name is not UTF-8');
    return text;
  }

  /** @returns a key, and its value where that is a uint32 */
  async entry(): Promise<{ key: string; value: number | undefined }> {
    const key = await this.text();
    const type = await this.number32();
    if (type === UINT32) return { key, value: await this.number32() };
    await this.#skip(type, 0);
    return { key, value: undefined };
  }

  async #skip(type: number, depth: number): Promise<void> {
    const size = SIZES[type];
    if (size !== undefined) this.#pass(size);
    else if (type === TEXT) this.#pass(await this.number64());
    else if (type === LIST && depth < MAX_DEPTH) await this.#skipList(depth + 1);
    else throw this.bad(`a value has type ${type}`);
  }

  async #skipList(depth: number): Promise<void> {
    const type = await this.number32();
    const count = await this.number64();
    const size = SIZES[type];
    // Every element takes bytes, or a file of some bytes could ask for years.
    if (count > this.#size) throw this.bad(`a list has ${count} values`);
    if (size !== undefined) return this.#pass(size * count);
    for (let i = 0; i < count; i++) await this.#skip(type, depth);
  }

  #pass(bytes: number): void {
    if (bytes > this.#size - this.#at) throw this.bad('it ends too early');
    this.#at += bytes;
  }

  async #take(length: number): Promise<Uint8Array> {
    const start = this.#at;
    this.#pass(length);
    return this.#file.bytes(start, this.#at);
  }
}

/** A type of weights in a GGUF file. */
export interface GgufType {
  /** Weights in a block, and its bytes. */
  readonly elements: number;
  readonly bytes: number;
  /** Of types that are no blocks. */
  readonly stored?: StoredType;
}

const plain = (stored: StoredType, bytes: number): GgufType => ({ elements: 1, bytes, stored });
const blocks = (elements: number, bytes: number): GgufType => ({ elements, bytes });

/** By the number in `ggml_type`. */
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
  25: plain(asBytes(2), 2),
  26: plain({ dtype: 'int32' }, 4),
  27: plain(asBytes(8), 8),
  28: plain(asBytes(8), 8),
  29: blocks(256, 56),
  30: plain({ dtype: 'bfloat16' }, 2),
  34: blocks(256, 54),
  35: blocks(256, 66),
  39: blocks(32, 17),
};

/** @returns the type with a number; undefined for one that is not known */
export function typeOfGguf(code: number): GgufType | undefined {
  return Object.hasOwn(TYPES, code) ? TYPES[code] : undefined;
}
