import { NeuralDiffError } from './errors.js';
import { MAX_MANIFEST_BYTES } from './limits.js';
import { checkNamedFiles, type ModelFiles } from './model-files.js';
import { type Extent, openPlacedStore, type PlacedStore, type PlacedTensor } from './placed-store.js';
import type { Quantization, WeightStore } from './store.js';
import {
  asBytes,
  byteLength,
  checkTensorInfos,
  isDType,
  type StoredType,
  type Tensor,
  type TensorInfo,
  tensorOf,
} from './tensor.js';
import { decodeUtf8 } from './text.js';

/** Maps stored integers to weights: `scale * integer + min`. */
interface AffineMap {
  readonly dtype: 'uint8' | 'uint16';
  readonly scale: number;
  readonly min: number;
}

/** A tensor's location in the concatenated shards of its manifest group. */
interface StreamedTensor extends TensorInfo {
  readonly group: number;
  /** Bytes before the tensor in its group's stream. */
  readonly start: number;
  readonly quantization?: AffineMap;
}

/** A group of a `weightsManifest`: shards that form one byte stream. */
interface ManifestGroup {
  readonly paths: readonly string[];
  /** Bytes of all tensors in the group. */
  readonly byteLength: number;
}

/** The weights manifest of a `model.json`. */
interface LayersManifest {
  readonly groups: readonly ManifestGroup[];
  readonly tensors: readonly StreamedTensor[];
}

/** A shard and its byte range in its group's stream. */
interface Shard {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** Name that TensorFlow.js gives to a model's main file; publishers choose others. */
export const LAYERS_FILE = 'model.json';

/**
 * Opens a TensorFlow.js LayersModel or GraphModel (`model.json` and its weight shards) as a store.
 *
 * A tensor may span several shards. Writes go to the shards in place.
 *
 * @param files the folder; closed with the store
 * @param path the file with the weights manifest, directly in the folder
 * @returns the store
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path` for an invalid manifest
 */
export async function openLayersStore(files: ModelFiles, path: string = LAYERS_FILE): Promise<WeightStore> {
  return openPlacedLayers(files, path);
}

/** Same as `openLayersStore`, with the places of the tensors. */
export async function openPlacedLayers(files: ModelFiles, path: string): Promise<PlacedStore> {
  const manifest = parseLayersManifest(path, parseJson(path, await readLayersJson(files, path)));
  const paths = manifest.groups.flatMap((group) => group.paths);
  checkNamedFiles(path, paths);
  const shards = await placeShards(files, manifest);
  const tensors = manifest.tensors.flatMap((tensor): PlacedTensor[] => {
    const { name, dtype, shape, group, start, quantization } = tensor;
    const extents = extentsOf(shards[group] as Shard[], start, start + byteLength(tensor));
    const placed = { name, dtype, shape, extents };
    return quantization ? [placed, mapTensor(name, quantization)] : [placed];
  });
  checkTensorInfos(tensors);
  return { ...openPlacedStore(files, tensors), quantization: quantizationOf(manifest) };
}

/**
 * Reads the tensors of a manifest from memory, as `openLayersStore` lists them.
 *
 * @param weights the entries of all groups of a manifest; untrusted
 * @param bytes contents of all shards in this order
 * @throws NeuralDiffError `bad-model`, `unsupported-model`
 */
export function readManifestTensors(
  weights: readonly unknown[],
  bytes: Uint8Array,
): { tensors: Tensor[]; quantization: ReadonlyMap<string, Quantization> } {
  const manifest = parseLayersManifest(LAYERS_FILE, { weightsManifest: [{ paths: ['weights'], weights }] });
  const expected = manifest.groups[0]?.byteLength ?? 0;
  if (expected !== bytes.length)
    throw badModel(`Cannot read model: expected ${expected} bytes of weights, got ${bytes.length}`);
  const tensors = manifest.tensors.flatMap((tensor): Tensor[] => {
    const { name, dtype, shape, start, quantization } = tensor;
    const read = { name, dtype, shape, bytes: bytes.subarray(start, start + byteLength(tensor)) };
    if (quantization === undefined) return [read];
    const { fixed, ...map } = mapTensor(name, quantization);
    return [read, { name: map.name, dtype: map.dtype, shape: map.shape, bytes: fixed as Uint8Array }];
  });
  return { tensors, quantization: quantizationOf(manifest) };
}

/** Represents a quantisation as a read-only tensor, since it is part of the model's identity. */
function mapTensor(name: string, { scale, min }: AffineMap): PlacedTensor {
  const fixed = new Uint8Array(16);
  const view = new DataView(fixed.buffer);
  view.setFloat64(0, scale, true);
  view.setFloat64(8, min, true);
  return { ...tensorOf(`${name}/quantization`, { dtype: 'float64' }, [2]), extents: [], fixed };
}

/** Collects the quantisation of uint8 tensors; 16-bit integers are kept as bytes, which have none. */
function quantizationOf({ tensors }: LayersManifest): ReadonlyMap<string, Quantization> {
  const mapped = tensors.flatMap(({ name, quantization }): [string, AffineMap][] =>
    quantization?.dtype === 'uint8' ? [[name, quantization]] : [],
  );
  return new Map(mapped);
}

/** Reads a `model.json` of any name. @throws NeuralDiffError `bad-model` for one that is too large */
export async function readLayersJson(files: ModelFiles, path: string): Promise<Uint8Array> {
  const size = await files.size(path);
  if (size > MAX_MANIFEST_BYTES)
    throw unreadable(path, `expected at most ${MAX_MANIFEST_BYTES} bytes, got ${size}`);
  const bytes = new Uint8Array(size);
  await files.readInto(path, 0, bytes);
  return bytes;
}

function parseJson(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes).replace(/^\ufeff/, ''));
  } catch (cause) {
    throw new NeuralDiffError('bad-model', `Cannot read "${path}": it is not JSON`, { cause });
  }
}

/** Computes the byte range of each shard in its group and checks that the tensors cover the group exactly. */
async function placeShards(files: ModelFiles, manifest: LayersManifest): Promise<Shard[][]> {
  const groups: Shard[][] = [];
  for (const group of manifest.groups) {
    const shards: Shard[] = [];
    let start = 0;
    for (const path of group.paths) {
      const end = start + (await files.size(path));
      shards.push({ path, start, end });
      start = end;
    }
    if (start !== group.byteLength) {
      throw badModel(
        `Cannot read model: expected ${group.byteLength} bytes in [${group.paths}], got ${start}`,
      );
    }
    groups.push(shards);
  }
  return groups;
}

/** @param shards in order; searched by halves, since a group may have many */
function extentsOf(shards: readonly Shard[], start: number, end: number): Extent[] {
  let [first, after] = [0, shards.length];
  while (first < after) {
    const middle = (first + after) >>> 1;
    if ((shards[middle] as Shard).end <= start) first = middle + 1;
    else after = middle;
  }
  const extents: Extent[] = [];
  for (let i = first; i < shards.length; i++) {
    const shard = shards[i] as Shard;
    if (shard.start >= end) break;
    const from = Math.max(start, shard.start);
    const to = Math.min(end, shard.end);
    if (from < to) extents.push({ path: shard.path, offset: from - shard.start, length: to - from });
  }
  return extents;
}

function badModel(message: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', message);
}

function unreadable(path: string, why: string): NeuralDiffError {
  return badModel(`Cannot read "${path}": ${why}`);
}

/**
 * Reads the weights manifest of a TensorFlow.js `model.json`.
 *
 * @param path the file's name for errors
 * @param json the parsed file; untrusted
 * @returns the groups and the location of each tensor
 * @throws NeuralDiffError `bad-model` for another structure, `unsupported-model` for string weights,
 *   `unsafe-path` for a shard outside the folder
 */
export function parseLayersManifest(path: string, json: unknown): LayersManifest {
  const groups: ManifestGroup[] = [];
  const tensors: StreamedTensor[] = [];
  for (const entry of listOf(path, json, 'weightsManifest')) {
    const paths = listOf(path, entry, 'paths').map((shard) => checkShardPath(path, shard));
    let start = 0;
    for (const weight of listOf(path, entry, 'weights')) {
      const info = parseWeight(path, weight);
      tensors.push({ ...info, group: groups.length, start });
      start += byteLength(info);
    }
    groups.push({ paths, byteLength: start });
  }
  checkTensorInfos(tensors);
  const shards = groups.flatMap((group) => group.paths);
  if (new Set(shards).size !== shards.length) throw unreadable(path, 'a shard is listed twice');
  return { groups, tensors };
}

function field(path: string, value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) {
    throw unreadable(path, `expected a field "${key}"`);
  }
  return (value as Record<string, unknown>)[key];
}

function listOf(path: string, value: unknown, key: string): unknown[] {
  const found = field(path, value, key);
  if (!Array.isArray(found)) throw unreadable(path, `expected "${key}" to be a list`);
  return found;
}

function parseWeight(path: string, weight: unknown): TensorInfo & { quantization?: AffineMap } {
  const name = field(path, weight, 'name');
  const dtype = field(path, weight, 'dtype');
  const shape = listOf(path, weight, 'shape');
  if (
    typeof name !== 'string' ||
    !shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
  ) {
    throw unreadable(path, 'expected weights with a name and a shape of whole numbers');
  }
  const isQuantised = Object.hasOwn(weight as object, 'quantization');
  const quantised = isQuantised ? readQuantised(name, field(path, weight, 'quantization'), path) : undefined;
  const type = quantised?.type ?? (typeof dtype === 'string' ? typeOf(dtype) : undefined);
  if (type === undefined) {
    throw new NeuralDiffError(
      'unsupported-model',
      `Cannot read tensor "${name}": unknown dtype "${String(dtype)}"`,
    );
  }
  const info = tensorOf(name, type, shape as number[]);
  checkTensorInfos([info]);
  return { ...info, ...(quantised?.map && { quantization: quantised.map }) };
}

/**
 * @returns the stored type for a manifest's dtype: TensorFlow.js dtypes except strings, and the format's own
 */
function typeOf(dtype: string): StoredType | undefined {
  if (isDType(dtype)) return { dtype };
  if (dtype === 'bool') return { dtype: 'uint8' };
  return dtype === 'complex64' ? asBytes(8) : undefined;
}

/** @returns the stored type of quantised weights, and the map from their integers to weights */
function readQuantised(
  name: string,
  quantization: unknown,
  path: string,
): { type: StoredType; map?: AffineMap } {
  const dtype = field(path, quantization, 'dtype');
  if (dtype === 'float16') return { type: { dtype } };
  if (dtype !== 'uint8' && dtype !== 'uint16') {
    const message = `Cannot read tensor "${name}": unsupported quantisation "${String(dtype)}"`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  const [scale, min] = [field(path, quantization, 'scale'), field(path, quantization, 'min')];
  if (!(Number.isFinite(scale) && (scale as number) > 0 && Number.isFinite(min)))
    throw badModel(`Cannot read tensor "${name}": expected a quantisation with a scale above 0 and a min`);
  const map = { dtype, scale: scale as number, min: min as number } as const;
  return { type: { dtype }, map };
}

function checkShardPath(path: string, shard: unknown): string {
  if (typeof shard !== 'string' || shard === '') throw unreadable(path, 'expected shard paths to be strings');
  return shard;
}
