import type { TensorInfo } from '../../src/model/tensor.js';
import type { Buckets, HashOp, Op, SparseOp } from '../../src/payload/diff.js';
import { encodePayload } from '../../src/payload/encode.js';
import { createRandom } from '../../src/train/random.js';

/** A hash op to time. */
export interface HashCase {
  readonly name: string;
  readonly block: number;
  readonly bucketCount: number;
  readonly coding: 'levels' | 'float';
  /** Whether the plain arithmetic is timed as well. */
  readonly isCompared?: boolean;
  /** Share of the dense addition's speed that is to be reached. */
  readonly goal?: number;
}

const GOALS: Readonly<Record<number, number>> = { 1: 0.3, 8: 0.7, 32: 0.7 };

/**
 * Every block with buckets that fit into each level of a cache and beyond; goals at the size of common
 * payloads.
 */
export const HASH_CASES: readonly HashCase[] = [1, 8, 32].flatMap((block) => [
  ...[2 ** 12, 2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20].map((bucketCount) => ({
    name: `hash, block ${block}, ${bucketCount} ternary buckets`,
    block,
    bucketCount,
    coding: 'levels' as const,
    ...(bucketCount === 2 ** 14 ? { isCompared: true, goal: GOALS[block] as number } : {}),
  })),
  {
    name: `hash, block ${block}, 16384 float buckets`,
    block,
    bucketCount: 2 ** 14,
    coding: 'float' as const,
  },
]);

/** Shares of the weights that the sparse ops change. */
export const SPARSE_DENSITIES = [0.01, 0.05];

const TENSOR = 'weights';

/** @returns the one tensor of the model that is patched */
export function weightsInfo(count: number): TensorInfo {
  return { name: TENSOR, dtype: 'float32', shape: [count] };
}

/** @returns an op with buckets from a seed, a third of the ternary ones zero */
export function hashOp({ block, bucketCount, coding }: HashCase): HashOp {
  const random = createRandom(bucketCount);
  const list = { length: bucketCount };
  const buckets: Buckets =
    coding === 'float'
      ? { coding, values: Float32Array.from(list, () => random() - 0.5) }
      : { coding, values: Int8Array.from(list, () => Math.floor(3 * random()) - 1) };
  return { kind: 'hash', tensors: [{ tensor: TENSOR, scale: 2 ** -10 }], seed: 1, block, buckets };
}

/** @returns an op on a share of the weights, at places and with levels of 3 bits from a seed */
export function sparseOp(weights: number, density: number): SparseOp {
  const random = createRandom(2);
  const positions: number[] = [];
  for (let i = 0; i < weights; i++) if (random() < density) positions.push(i);
  const levels = Int16Array.from(positions, () => (random() < 0.5 ? -1 : 1) * (1 + Math.floor(4 * random())));
  return {
    kind: 'sparse',
    tensor: TENSOR,
    scale: 2 ** -10,
    positions: Uint32Array.from(positions),
    levels,
  };
}

/** @returns a payload with one op */
export function encodeOp(op: Op, info: TensorInfo): Promise<Uint8Array> {
  const blank = '00'.repeat(16);
  return encodePayload({ base: blank, next: blank, tensors: [info], meta: {} }, { ops: [op] });
}
