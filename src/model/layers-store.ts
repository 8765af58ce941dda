import { NeuralDiffError } from './errors.js';
import { type LayersManifest, parseLayersManifest } from './layers-manifest.js';
import { MAX_MANIFEST_BYTES } from './limits.js';
import type { ModelFiles } from './model-files.js';
import { type Extent, openPlacedStore, type PlacedTensor } from './placed-store.js';
import type { WeightStore } from './store.js';
import { byteLength } from './tensor.js';

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
  const tensors = manifest.tensors.map(({ name, dtype, shape, group, start }): PlacedTensor => {
    const end = start + byteLength({ name, dtype, shape });
    return { name, dtype, shape, extents: extentsOf(shards[group] as Shard[], start, end) };
  });
  return openPlacedStore(files, tensors);
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
