import { NeuralDiffError } from './errors.js';
import { type AffineMap, type LayersManifest, parseLayersManifest } from './layers-manifest.js';
import { MAX_MANIFEST_BYTES } from './limits.js';
import type { ModelFiles } from './model-files.js';
import { type Extent, openPlacedStore, type PlacedTensor } from './placed-store.js';
import type { Quantizations } from './quantization.js';
import type { WeightStore } from './store.js';
import { asBytes, tensorOf } from './stored-type.js';
import { byteLength, checkTensorInfos } from './tensor.js';

/** A shard and where it lies in its group's stream of bytes. */
interface Shard {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Opens a TensorFlow.js LayersModel folder (`model.json` and its weight shards) as a store. A tensor may straddle
 * shards. Writes go to the shards in place.
 *
 * @param files the folder; closed with the store
 * @returns the store
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path` as the manifest deserves
 */
export async function openLayersStore(files: ModelFiles): Promise<WeightStore> {
  const manifest = parseLayersManifest(await readJson(files));
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

/** What integers stand for is part of the model: a tensor that cannot be written. */
function mapTensor(name: string, { scale, min }: AffineMap): PlacedTensor {
  const fixed = new Uint8Array(16);
  const view = new DataView(fixed.buffer);
  view.setFloat64(0, scale, true);
  view.setFloat64(8, min, true);
  return { ...tensorOf(`${name}/quantization`, asBytes(8), [2]), extents: [], fixed };
}

/** Integers of 16 bits are kept as bytes, which stand for nothing by themselves. */
function quantizationOf({ tensors }: LayersManifest): Quantizations {
  const mapped = tensors.flatMap(({ name, quantization }): [string, AffineMap][] =>
    quantization?.dtype === 'uint8' ? [[name, quantization]] : [],
  );
  return new Map(mapped);
}

async function readJson(files: ModelFiles): Promise<unknown> {
  const size = await files.size('model.json');
  if (size > MAX_MANIFEST_BYTES) {
    throw bad(`Cannot read model.json: expected at most ${MAX_MANIFEST_BYTES} bytes, got ${size}`);
  }
  const bytes = new Uint8Array(size);
  await files.readInto('model.json', 0, bytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new NeuralDiffError('bad-model', 'Cannot read model.json: it is not JSON', { cause });
  }
}

/** Lays the shards of each group end to end and checks that the tensors cover them exactly. */
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
      throw bad(`Cannot read model: expected ${group.byteLength} bytes in [${group.paths}], got ${start}`);
    }
    groups.push(shards);
  }
  return groups;
}

function extentsOf(shards: readonly Shard[], start: number, end: number): Extent[] {
  return shards.flatMap((shard): Extent[] => {
    const from = Math.max(start, shard.start);
    const to = Math.min(end, shard.end);
    return from < to ? [{ path: shard.path, offset: from - shard.start, length: to - from }] : [];
  });
}

function bad(message: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', message);
}
