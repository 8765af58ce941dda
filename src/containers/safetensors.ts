import { NeuralDiffError } from '../model/errors.js';
import { checkNamedFiles, type ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { Outside } from '../model/store.js';
import { asBytes, byteLength, checkTensorInfos, type StoredType, tensorOf } from '../model/tensor.js';
import { checkNotLinked } from './file-window.js';
import { digestJson } from './outside.js';
import { parseStrictJson } from './strict-json.js';

/** Bytes of a header accepted by the format's reference reader. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Bytes of an index, which lists tensor and file names. */
const MAX_INDEX_BYTES = 2 ** 26;

/** Key of a header's texts, which no tensor can have as its name. */
export const METADATA_KEY = '__metadata__';

/**
 * Supported dtypes; those of 4 and 6 bits are not supported. Of names with the same type, the first is
 * written.
 */
export const TYPES: Readonly<Record<string, StoredType>> = {
  F32: { dtype: 'float32' },
  F16: { dtype: 'float16' },
  BF16: { dtype: 'bfloat16' },
  I8: { dtype: 'int8' },
  U8: { dtype: 'uint8' },
  BOOL: { dtype: 'uint8' },
  I32: { dtype: 'int32' },
  F8_E4M3: { dtype: 'float8_e4m3fn' },
  F8_E5M2: { dtype: 'float8_e5m2' },
  F8_E8M0: { dtype: 'uint8' },
  I16: { dtype: 'int16' },
  U16: { dtype: 'uint16' },
  U32: { dtype: 'uint32' },
  F64: { dtype: 'float64' },
  I64: { dtype: 'int64' },
  U64: { dtype: 'uint64' },
  C64: asBytes(8),
};

/**
 * Opens a safetensors file as a store. Writes go to the file in place.
 *
 * Source: the safetensors format, version of its reference reader 0.7: eight bytes of header length, a JSON
 * header, the tensors without gaps.
 *
 * @param files the folder that contains the file; closed with the store
 * @param path the file's path in the folder
 * @throws NeuralDiffError `bad-model`, `unsupported-model` for an invalid or unsupported header
 */
export async function openSafetensorsStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  return openPlacedStore(files, await placeSafetensors(files, path));
}

/**
 * Opens the shards that a `model.safetensors.index.json` lists as one store. Writes go to the shards in
 * place.
 *
 * @param files the folder that contains index and shards; closed with the store
 * @param path the index's path in the folder
 * @throws NeuralDiffError `bad-model`, also for a mismatch of index and shards; `unsafe-path` for shards
 *   outside the folder
 */
export async function openSafetensorsIndex(files: ModelFiles, path: string): Promise<PlacedStore> {
  const { weight_map: map } = await readIndex(files, path);
  const shardOf = new Map(entriesOf(map, path).map(([name, shard]) => [name, checkShard(shard, path)]));
  checkNamedFiles(path, shardOf.values());
  await checkNotLinked(files, path, shardOf.values());
  const tensors = [];
  for (const shard of new Set(shardOf.values())) {
    for (const tensor of await placeSafetensors(files, shard)) {
      if (shardOf.get(tensor.name) !== shard)
        throw invalidIndex(path, `tensor "${tensor.name}" of "${shard}" is not listed`);
      tensors.push(tensor);
    }
  }
  checkTensorInfos(tensors);
  const found = new Set(tensors.map(({ name }) => name));
  const missing = [...shardOf.keys()].find((name) => !found.has(name));
  if (missing !== undefined) throw invalidIndex(path, `"${shardOf.get(missing)}" has no tensor "${missing}"`);
  return openPlacedStore(files, tensors);
}

/**
 * Locates the tensors of a safetensors file.
 *
 * @returns the tensors in the order of their bytes
 * @throws NeuralDiffError as `openSafetensorsStore`
 */
async function placeSafetensors(files: ModelFiles, path: string): Promise<PlacedTensor[]> {
  const size = await files.size(path);
  const { header, start } = await readHeader(files, path);
  const placed = Object.entries(header)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, entry]) => place(name, entry, { path, start }));
  checkTensorInfos(placed);
  return checkCover(placed, { path, start, end: size });
}

/** @returns the parsed header of a safetensors file, and the offset of the bytes after it */
async function readHeader(
  files: ModelFiles,
  path: string,
): Promise<{ header: Record<string, unknown>; start: number }> {
  const size = await files.size(path);
  if (size < 8) throw invalid(path, `expected at least 8 bytes, got ${size}`);
  const head = new Uint8Array(8);
  await files.readInto(path, 0, head);
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || length > size - 8)
    throw invalid(path, `header length ${length} exceeds the file of ${size} bytes or the limit`);
  const bytes = new Uint8Array(length);
  await files.readInto(path, 8, bytes);
  return { header: objectOf(parseStrictJson(bytes, path), path), start: 8 + length };
}

async function readIndex(files: ModelFiles, path: string): Promise<Record<string, unknown>> {
  const size = await files.size(path);
  if (size > MAX_INDEX_BYTES)
    throw invalidIndex(path, `expected at most ${MAX_INDEX_BYTES} bytes, got ${size}`);
  const bytes = new Uint8Array(size);
  await files.readInto(path, 0, bytes);
  return objectOf(parseStrictJson(bytes, path), path);
}

/** Reads metadata and stored dtypes: the header without the tensors' places. */
export async function readSafetensorsOutside(
  files: ModelFiles,
  path: string,
): Promise<Omit<Outside, 'format'>> {
  const { header, start } = await readHeader(files, path);
  return { bytes: start, digest: await digestJson(describeHeader(header), path) };
}

/** Reads metadata and stored dtypes of an index's shards, and the index without the shards' names. */
export async function readIndexOutside(
  files: ModelFiles,
  path: string,
  { placed }: PlacedStore,
): Promise<Omit<Outside, 'format'>> {
  const { weight_map: _, ...rest } = await readIndex(files, path);
  let bytes = await files.size(path);
  const dtypes: [string, unknown][] = [];
  const metadata = new Set<string>();
  const shards = new Set(placed.flatMap(({ extents }) => extents.map((extent) => extent.path)));
  for (const shard of shards) {
    const { header, start } = await readHeader(files, shard);
    const { __metadata__: stated, ...tensors } = describeHeader(header);
    for (const entry of Object.entries(tensors)) dtypes.push(entry);
    metadata.add(await digestJson(stated, shard));
    bytes += start;
  }
  return { bytes, digest: await digestJson([rest, Object.fromEntries(dtypes), [...metadata].sort()], path) };
}

/** @returns the header with a dtype in place of each tensor's entry */
function describeHeader(header: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const described = Object.entries(header).map(([name, entry]) => [
    name,
    name === METADATA_KEY ? entry : (entry as { dtype: unknown }).dtype,
  ]);
  return Object.fromEntries(described);
}

function place(name: string, entry: unknown, file: { path: string; start: number }): PlacedTensor {
  const { path, start } = file;
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !wholeNumbers(shape) || !wholeNumbers(offsets) || offsets.length !== 2)
    throw invalid(path, `expected "${name}" to have dtype, shape and two data_offsets`);
  const type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (type === undefined) {
    const message = `Cannot read tensor "${name}" of "${path}": dtype "${dtype}" is not supported`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const info = tensorOf(name, type, shape);
  checkTensorInfos([info]);
  const [from, to] = offsets as [number, number];
  const length = byteLength(info);
  if (to - from !== length)
    throw invalid(path, `expected ${length} bytes for "${name}", got offsets ${from} to ${to}`);
  return { ...info, extents: [{ path, offset: start + from, length }] };
}

/** Checks that the tensors cover the bytes after the header without gaps and overlaps. */
function checkCover(
  placed: readonly PlacedTensor[],
  { path, start, end }: { path: string; start: number; end: number },
): PlacedTensor[] {
  const offsetOf = ({ extents }: PlacedTensor): number => extents[0]?.offset ?? 0;
  const lengthOf = ({ extents }: PlacedTensor): number => extents[0]?.length ?? 0;
  const ordered = [...placed].sort((a, b) => offsetOf(a) - offsetOf(b) || lengthOf(a) - lengthOf(b));
  let at = start;
  for (const tensor of ordered) {
    if (offsetOf(tensor) !== at)
      throw invalid(path, `expected tensor "${tensor.name}" at byte ${at}, got ${offsetOf(tensor)}`);
    at += lengthOf(tensor);
  }
  if (at !== end) throw invalid(path, `expected tensors up to byte ${end}, got ${at}`);
  return ordered;
}

function invalid(path: string, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read "${path}" as safetensors: ${what}`);
}

function checkShard(shard: unknown, path: string): string {
  if (typeof shard === 'string' && shard.endsWith('.safetensors')) return shard;
  throw invalidIndex(path, 'expected shards to be safetensors files');
}

function invalidIndex(path: string, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read "${path}" as an index of safetensors: ${what}`);
}

/** @returns the entries of a JSON object, in order */
function entriesOf(value: unknown, path: string): [string, unknown][] {
  return Object.entries(objectOf(value, path));
}

function objectOf(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new NeuralDiffError('bad-model', `Cannot read "${path}": expected a JSON object`);
}

/** @returns whether a value is a list of nonnegative safe integers */
function wholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}
