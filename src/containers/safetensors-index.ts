import {
  checkInside,
  checkTensorInfos,
  type ModelFiles,
  NeuralDiffError,
  openPlacedStore,
  type WeightStore,
} from '../model/index.js';
import { entriesOf, parseJson } from './json.js';
import { placeSafetensors } from './safetensors.js';

/** Bytes of an index: names of tensors and of files. */
const MAX_INDEX_BYTES = 2 ** 26;

/**
 * Opens the shards that a `model.safetensors.index.json` lists as one store. Writes go to the shards in place.
 *
 * @param files the folder that holds index and shards; closed with the store
 * @param path the index's name in it
 * @throws NeuralDiffError `bad-model` also where index and shards disagree, `unsafe-path` for shards in other folders
 */
export async function openSafetensorsIndex(files: ModelFiles, path: string): Promise<WeightStore> {
  const size = await files.size(path);
  if (size > MAX_INDEX_BYTES) throw bad(path, `expected at most ${MAX_INDEX_BYTES} bytes, got ${size}`);
  const bytes = new Uint8Array(size);
  await files.readInto(path, 0, bytes);
  const [, map] = entriesOf(parseJson(bytes, path), path).find(([key]) => key === 'weight_map') ?? [];
  const shardOf = new Map(entriesOf(map, path).map(([name, shard]) => [name, checkShard(shard, path)]));
  const tensors = [];
  for (const shard of new Set(shardOf.values())) {
    for (const tensor of await placeSafetensors(files, shard)) {
      if (shardOf.get(tensor.name) !== shard)
        throw bad(path, `"${shard}" holds tensor "${tensor.name}", which it does not list there`);
      tensors.push(tensor);
    }
  }
  checkTensorInfos(tensors);
  const found = new Set(tensors.map(({ name }) => name));
  const missing = [...shardOf.keys()].find((name) => !found.has(name));
  if (missing !== undefined) throw bad(path, `"${shardOf.get(missing)}" has no tensor "${missing}"`);
  return openPlacedStore(files, tensors);
}

function checkShard(shard: unknown, path: string): string {
  if (typeof shard === 'string' && shard.endsWith('.safetensors')) return checkInside(shard);
  throw bad(path, 'expected shards to be names of safetensors files');
}

function bad(path: string, what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read "${path}" as an index of safetensors: ${what}`);
}
