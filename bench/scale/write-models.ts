import { closeSync, openSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Model } from '../../src/model/tensor.js';

/** Weights of a small model before and after training, one behind the other. */
export interface WeightPair {
  readonly base: Float32Array;
  readonly next: Float32Array;
}

/** @returns all float32 weights of two models, in the order of the first one's tensors */
export function weightsOf(base: Model, next: Model): WeightPair {
  const floatsOf = ({ tensors }: Model): Float32Array =>
    Float32Array.from(
      tensors.flatMap(({ dtype, bytes }) =>
        dtype === 'float32' ? [...new Float32Array(bytes.slice().buffer)] : [],
      ),
    );
  return { base: floatsOf(base), next: floatsOf(next) };
}

/** Tensors of a model in float32, and those among them, the first ones, that training changes. */
export interface ModelSize {
  readonly tensors: number;
  readonly changed: number;
  /** Rows, and columns, of each tensor. */
  readonly side: number;
}

/** @returns the bytes of all tensors */
export function bytesOf({ tensors, side }: ModelSize): number {
  return 4 * tensors * side * side;
}

/** Writes a model as safetensors, before and after training, from tiles of a small one's weights. */
export async function writeModels(
  weights: WeightPair,
  paths: { base: string; next: string },
  size: ModelSize,
): Promise<void> {
  await writeModel({ base: weights.base, next: weights.base }, paths.base, size);
  await writeModel(weights, paths.next, size);
}

async function writeModel({ base, next }: WeightPair, path: string, size: ModelSize): Promise<void> {
  const file = openSync(path, 'w');
  try {
    writeSync(file, headerOf(size));
    const random = createNumbers();
    const elements = bytesOf(size) / 4;
    const kept = (size.tensors - size.changed) * size.side ** 2;
    for (let left = elements; left > 0; left -= base.length) {
      const tile = tileOf(left > kept ? next : base, random);
      const bytes = new Uint8Array(tile.buffer, 0, 4 * Math.min(left, tile.length));
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      // Lets Ctrl-C in.
      await setImmediate();
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Weights from some place on and around, at another scale, as layers have their own: no two tiles have the
 * same bytes.
 */
function tileOf(weights: Float32Array, random: () => number): Float32Array {
  const offset = Math.floor(random() * weights.length);
  const scale = 0.5 + random();
  const tile = new Float32Array(weights.length);
  for (let i = 0; i < tile.length; i++) {
    tile[i] = scale * (weights[(i + offset) % weights.length] as number);
  }
  return tile;
}

function headerOf(size: ModelSize): Uint8Array {
  const { tensors, side } = size;
  const bytes = bytesOf(size) / tensors;
  const entries = Array.from({ length: tensors }, (_, i) => {
    const place = { dtype: 'F32', shape: [side, side], data_offsets: [i * bytes, (i + 1) * bytes] };
    return [`layers.${i}.kernel`, place];
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.alloc(8 + 8 * Math.ceil(text.length / 8), ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.write(text, 8);
  return header;
}

/** @returns numbers from 0 to 1, the same for both models (a linear congruential generator modulo 2^32) */
function createNumbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
