import * as tf from '@tensorflow/tfjs';
import { placeBlock } from '../../../payload/placement.js';
import { allocateFloats, type KernelCall, sizeOf } from '../backend.js';
import { activeSimd, registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';

/** The placement of a tensor's blocks on buckets. */
interface HashPlacement {
  /** The tensor's seed: 0 to 2^32 - 1. */
  readonly seed: number;
  /** Neighbouring weights per block: 1 to 1,024. */
  readonly block: number;
}

/** Bucket values: `fround(bucket * scale)`, with the sign of the block. */
interface HashedValues {
  readonly buckets: Float32Array;
  /** A float32. */
  readonly scale: number;
}

/**
 * Adds a hash diff to a tensor of weights, computing hashes on the fly.
 *
 * @param weights float32 of any shape
 * @returns a new tensor of the same shape
 */
export function addHashed(
  weights: tf.Tensor,
  { buckets, scale }: HashedValues,
  placement: HashPlacement,
): tf.Tensor {
  if (activeSimd()) {
    return runOwnKernel('NeuralDiffAddHashed', { weights }, { ...placement, buckets, scale })[0] as tf.Tensor;
  }
  const values = weights.dataSync().slice() as Float32Array;
  forEachBlock(
    values.length,
    { ...placement, bucketCount: buckets.length },
    ({ start, end, first, sign }) => {
      for (let i = start; i < end; i++) {
        const bucket = buckets[(first + i - start) % buckets.length] as number;
        values[i] = (values[i] as number) + sign * Math.fround(bucket * scale);
      }
    },
  );
  return tf.tensor(values, weights.shape);
}

interface SumAttrs {
  readonly seeds: readonly number[];
  readonly factors: readonly number[];
  readonly block: number;
  readonly bucketCount: number;
}

/**
 * Sums gradients with respect to weights into gradients with respect to their buckets: the transpose of
 * `addHashed`.
 *
 * @param gradients of each tensor, with its seed and the factor of its bucket values
 * @param options neighbouring weights per block, and the number of buckets
 * @returns [bucketCount]
 */
export function sumHashed(
  gradients: readonly { readonly gradient: tf.Tensor; readonly seed: number; readonly factor: number }[],
  options: { block: number; bucketCount: number },
): tf.Tensor1D {
  const seeds = gradients.map(({ seed }) => seed);
  const factors = gradients.map(({ factor }) => Math.fround(factor));
  if (activeSimd()) {
    const inputs = Object.fromEntries(gradients.map(({ gradient }, i) => [`gradient${i}`, gradient]));
    return runOwnKernel('NeuralDiffSumHashed', inputs, { ...options, seeds, factors })[0] as tf.Tensor1D;
  }
  const sums = new Float32Array(options.bucketCount + options.block - 1);
  gradients.forEach(({ gradient }, tensor) => {
    const values = gradient.dataSync() as Float32Array;
    const placement = { ...options, seed: seeds[tensor] as number };
    forEachBlock(values.length, placement, ({ start, end, first, sign }) => {
      const factor = sign * (factors[tensor] as number);
      for (let i = start; i < end; i++) {
        const place = first + i - start;
        sums[place] = (sums[place] as number) + Math.fround(factor * (values[i] as number));
      }
    });
  });
  return tf.tensor1d(foldTail(sums, options.bucketCount));
}

interface Block {
  readonly start: number;
  readonly end: number;
  /** Index of the first bucket. */
  readonly first: number;
  readonly sign: 1 | -1;
}

function forEachBlock(
  count: number,
  { seed, block, bucketCount }: HashPlacement & { bucketCount: number },
  visit: (block: Block) => void,
): void {
  for (let start = 0, index = 0; start < count; start += block, index++) {
    const place = placeBlock(index, seed, bucketCount);
    const end = Math.min(start + block, count);
    visit({ start, end, first: place >>> 1, sign: place & 1 ? -1 : 1 });
  }
}

/** Adds the sums beyond the last bucket to the first buckets. */
function foldTail(sums: Float32Array, bucketCount: number): Float32Array {
  for (let i = bucketCount; i < sums.length; i++) {
    const place = i % bucketCount;
    sums[place] = (sums[place] as number) + (sums[i] as number);
  }
  return sums.slice(0, bucketCount);
}

/** Registers the kernels behind `addHashed` and `sumHashed`. */
export function registerHashKernels(): void {
  registerOwnKernel('NeuralDiffAddHashed', runAdd);
  registerOwnKernel('NeuralDiffSumHashed', runSum);
}

function runAdd(
  { inputs, backend, attrs }: KernelCall<'weights', HashPlacement & HashedValues>,
  simd: Simd,
): tf.TensorInfo[] {
  const { buckets, scale, block, seed } = attrs;
  const out = allocateFloats(backend, inputs.weights.shape);
  const count = buckets.length;
  const table = simd.borrowFloats(count + block - 1);
  table.view.set(buckets);
  for (let i = count; i < table.view.length; i++) table.view[i] = buckets[i % count] as number;
  const [weights, target] = [simd.pointer(inputs.weights), simd.pointer(out)];
  simd.run.addHashed(sizeOf(out.shape), weights, table.address, scale, count, block, seed, target);
  return [out];
}

function runSum({ inputs, backend, attrs }: KernelCall<string, SumAttrs>, simd: Simd): tf.TensorInfo[] {
  const { seeds, factors, block, bucketCount } = attrs;
  const out = allocateFloats(backend, [bucketCount]);
  const sums = simd.borrowFloats(bucketCount + block - 1);
  sums.view.fill(0);
  seeds.forEach((seed, i) => {
    const gradient = inputs[`gradient${i}`] as tf.TensorInfo;
    const count = sizeOf(gradient.shape);
    const factor = factors[i] as number;
    simd.run.sumHashed(count, simd.pointer(gradient), factor, bucketCount, block, seed, sums.address);
  });
  (backend.typedArrayFromHeap(out) as Float32Array).set(foldTail(sums.view, bucketCount));
  return [out];
}
