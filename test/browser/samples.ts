import type { Model, Tensor } from '../../src/model/tensor.js';
import type { Diff, Op } from '../../src/payload/diff.js';
import { packDiff } from '../../src/payload/encode.js';
import { roundScale } from '../../src/payload/record-head.js';
import { concat, createRandom, sampleModel, seededTensor } from '../support.js';

/** More than a chunk of 1 MiB, so that patching goes around more than once. */
const WIDE: Tensor = seededTensor('wide', 'float32', [600, 512], 21);

/** @returns a model with every dtype, and one tensor that takes two chunks */
export function createBase(seed = 1): Model {
  return { tensors: [...sampleModel(seed).tensors, WIDE] };
}

/** Float buckets for the float tensors, whole ones where an integer tensor is among them. */
const HASH: readonly Op[] = [
  {
    kind: 'hash',
    tensors: hashed('brain', 'conv/kernel', 'half', 'wide'),
    seed: 77,
    block: 3,
    buckets: { coding: 'float', values: Float32Array.of(0.25, -1.5, 0.0625, 3, -0.125, 0.5, 1.75) },
  },
  {
    kind: 'hash',
    tensors: hashed('bytes', 'größe/重み😀'),
    seed: 78,
    block: 1,
    buckets: { coding: 'levels', values: Int8Array.of(1, 0, -1, 1) },
  },
];

function hashed(...names: string[]) {
  return names.map((tensor, i) => ({ tensor, scale: 1 + i }));
}

function sparse(tensor: string, positions: readonly number[], scale: number): Op {
  const random = createRandom(positions.length);
  const levels = Int16Array.from(positions, () => 1 + (random() % 7)).map((level, i) =>
    i % 2 ? -level : level,
  );
  return {
    kind: 'sparse',
    tensor,
    positions: Uint32Array.from(positions),
    levels,
    scale: roundScale(scale),
  };
}

function dense(tensor: string, elements: number, scale: number): Op {
  const random = createRandom(elements);
  const levels = Int8Array.from({ length: elements }, () => (random() % 15) - 7);
  return { kind: 'dense', tensor, levels, scale: roundScale(scale) };
}

const SPARSE: readonly Op[] = [
  sparse('wide', [0, 1, 511, 262_143, 262_144, 307_199], 0.01),
  sparse('half', [3, 34], 0.001),
  sparse('bytes', [0, 17], 5),
];

const DENSE: readonly Op[] = [dense('conv/bias', 4, 0.002), dense('brain', 33, 0.3), dense('bytes', 18, 2)];

/** Diffs of each kind, and one with several ops on a tensor. */
export const DIFFS: Readonly<Record<string, Diff>> = {
  hash: { ops: HASH },
  sparse: { ops: SPARSE },
  dense: { ops: DENSE },
  stacked: { ops: [...HASH, ...SPARSE, ...DENSE] },
};

/** @returns payloads by file name: good ones for the base, and some that a device must refuse */
export async function createPayloads(
  base: Model,
): Promise<Map<string, { bytes: Uint8Array; next?: string }>> {
  const payloads = new Map<string, { bytes: Uint8Array; next?: string }>();
  for (const [name, diff] of Object.entries(DIFFS)) {
    const { payload, next } = await packDiff(base, diff);
    payloads.set(`${name}.ndiff`, { bytes: payload, next });
  }
  const { bytes } = payloads.get('stacked.ndiff') as { bytes: Uint8Array };
  const other = await packDiff(createBase(2), DIFFS.sparse as Diff);
  payloads.set('other-base.ndiff', { bytes: other.payload });
  const flipped = bytes.slice();
  flipped[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  payloads.set('flipped-bit.ndiff', { bytes: flipped });
  payloads.set('cut.ndiff', { bytes: bytes.subarray(0, bytes.length - 1) });
  return payloads;
}

/** @returns a LayersModel folder with the tensors in shards that cut through them */
function toFolder(model: Model, shardBytes: number): Map<string, Uint8Array> {
  const data = concat(...model.tensors.map(({ bytes }) => bytes));
  const files = new Map<string, Uint8Array>();
  for (let start = 0; start < data.length; start += shardBytes) {
    files.set(`shard${files.size + 1}.bin`, data.subarray(start, start + shardBytes));
  }
  const weights = model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const json = { format: 'layers-model', weightsManifest: [{ paths: [...files.keys()], weights }] };
  return files.set('model.json', new TextEncoder().encode(JSON.stringify(json)));
}

/** @returns the files that a device downloads: the model's folder below `model/`, and the payloads */
export function deviceFiles(
  model: Model,
  payloads: ReadonlyMap<string, { bytes: Uint8Array }>,
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const [path, bytes] of toFolder(model, 500_001)) files.set(`model/${path}`, bytes);
  for (const [path, { bytes }] of payloads) files.set(path, bytes);
  return files;
}
