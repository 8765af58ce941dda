import { NeuralDiffError } from './errors.js';
import { type LayersManifest, type PlacedTensor, parseLayersManifest } from './layers-manifest.js';
import { MAX_MANIFEST_BYTES } from './limits.js';
import type { ModelFiles } from './model-files.js';
import { checkRange, type WeightStore } from './store.js';

/** A shard and where it lies in its group's stream of bytes. */
interface Shard {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** The part of a tensor's range that one shard holds. */
interface Piece {
  readonly path: string;
  /** Byte offset inside the shard. */
  readonly offset: number;
  /** Where the piece lies in the range that was asked for. */
  readonly from: number;
  readonly to: number;
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
  const byName = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]));
  const locate = (name: string, byteOffset: number, length: number): Piece[] => {
    const tensor = checkRange(byName, { name, byteOffset, length });
    return cutAtShards(shards[tensor.group] as Shard[], tensor.start + byteOffset, length);
  };
  return {
    tensors: manifest.tensors.map(({ name, dtype, shape }: PlacedTensor) => ({ name, dtype, shape })),
    async readInto(name, byteOffset, target) {
      for (const piece of locate(name, byteOffset, target.length)) {
        await files.readInto(piece.path, piece.offset, target.subarray(piece.from, piece.to));
      }
    },
    async write(name, byteOffset, bytes) {
      for (const piece of locate(name, byteOffset, bytes.length)) {
        await files.write(piece.path, piece.offset, bytes.subarray(piece.from, piece.to));
      }
    },
    flush: () => files.flush(),
    close: () => files.close(),
  };
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

function cutAtShards(shards: readonly Shard[], start: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  for (const shard of shards) {
    const from = Math.max(start, shard.start);
    const to = Math.min(start + length, shard.end);
    if (from < to) {
      pieces.push({ path: shard.path, offset: from - shard.start, from: from - start, to: to - start });
    }
  }
  return pieces;
}

function bad(message: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', message);
}
