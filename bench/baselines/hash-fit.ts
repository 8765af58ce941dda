import { quantiseBuckets } from '../../src/hash-diff/hash-part.js';
import { totalElements } from '../../src/model/tensor.js';
import { placeBlock, tensorSeed } from '../../src/payload/placement.js';
import { largestThatFits } from '../../src/train/layout.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import { rootMeanSquare } from '../../src/train/quantise.js';
import type { Baseline, BaselineContext } from './baseline.js';
import { type Cost, costBytes, valueBits } from './entropy.js';
import { addDeltas, splitTensors } from './tensors.js';
import { roundVectors, VECTOR_BITS } from './vectors.js';

/** Neighbouring weights that one hash places, as hash diffs have it. */
const BLOCK = 8;

/** Share of the buckets that are 0, the smallest ones. */
const ZEROS = 0.5;

/** Buckets a weight at the most: with so many, hardly any two weights share one. */
const MOST_BUCKETS = 4;

/**
 * The hash diff that lies nearest to a finished full fine-tune, by least squares; nothing is trained. Buckets
 * are ternary: many of few bits fit better than few of many. Each tensor's changes are then made as large as
 * the full fine-tune's: averages are too small, and networks mind that more than errors of direction.
 *
 * Source: W. Chen et al., "Compressing Neural Networks with the Hashing Trick", 2015.
 */
export const hashFit: Baseline = {
  name: 'hash-fit',
  title: 'hashed changes fitted to the full fine-tune',
  isUpdate: true,
  async run(context) {
    const vectors = roundVectors(context, VECTOR_BITS);
    const bytesOf = (bucketCount: number): number =>
      costBytes([...vectors.costs, ...fitBuckets(context, bucketCount).costs]);
    const most = MOST_BUCKETS * totalElements(splitTensors(context.base).matrices);
    const fits = (tried: number) => bytesOf(Math.max(tried, 1)) <= context.budgetBytes;
    const bucketCount = largestThatFits(most, fits);
    if (bucketCount < 1) return undefined;
    const { deltas } = fitBuckets(context, bucketCount);
    return {
      bytes: bytesOf(bucketCount),
      weights: addDeltas(context.base.trainable, new Map([...deltas, ...vectors.deltas])),
      settings: { buckets: bucketCount },
    };
  },
};

/** A tensor that is hashed: where its weights go, and how large its changes are. */
interface HashedTensor {
  readonly name: string;
  readonly seed: number;
  readonly size: number;
}

function fitBuckets(context: BaselineContext, bucketCount: number): { deltas: Values; costs: Cost[] } {
  const { matrices } = splitTensors(context.base);
  const tensors = matrices.map(({ name }, ordinal): HashedTensor => {
    const size = rootMeanSquare(valuesOf(context.full.deltas, name));
    return { name, seed: tensorSeed(context.training.seed, ordinal), size };
  });
  const means = leastSquares(context.full.deltas, tensors, bucketCount);
  const buckets = quantiseBuckets(means, 'ternary', ZEROS).buckets.values;
  const deltas = new Map(
    tensors.map((tensor) => {
      const levels = new Float32Array(valuesOf(context.full.deltas, tensor.name).length);
      visit(tensor, { length: levels.length, bucketCount }, (i, bucket, sign) => {
        levels[i] = sign * (buckets[bucket] as number);
      });
      const scale = tensor.size / (rootMeanSquare(levels) || 1);
      return [tensor.name, levels.map((level) => level * scale)];
    }),
  );
  return { deltas, costs: [{ bits: valueBits(buckets), scales: tensors.length }] };
}

/** The bucket values, next to each tensor's size, with the least sum of squared errors over all tensors. */
function leastSquares(deltas: Values, tensors: readonly HashedTensor[], bucketCount: number): Float32Array {
  const sums = new Float64Array(bucketCount);
  const weights = new Float64Array(bucketCount);
  for (const tensor of tensors) {
    const delta = valuesOf(deltas, tensor.name);
    visit(tensor, { length: delta.length, bucketCount }, (i, bucket, sign) => {
      sums[bucket]! += sign * tensor.size * (delta[i] as number);
      weights[bucket]! += tensor.size ** 2;
    });
  }
  return Float32Array.from(sums, (sum, i) => (sum === 0 ? 0 : sum / (weights[i] as number)));
}

/** Walks through a tensor's weights with their buckets and signs, as patching a device does. */
function visit(
  tensor: HashedTensor,
  { length, bucketCount }: { length: number; bucketCount: number },
  meet: (index: number, bucket: number, sign: 1 | -1) => void,
): void {
  for (let start = 0; start < length; start += BLOCK) {
    const place = placeBlock(start / BLOCK, tensor.seed, bucketCount);
    const sign = place & 1 ? -1 : 1;
    const end = Math.min(start + BLOCK, length);
    for (let i = start; i < end; i++) meet(i, ((place >>> 1) + i - start) % bucketCount, sign);
  }
}
