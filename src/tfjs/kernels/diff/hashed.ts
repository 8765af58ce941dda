import * as tf from '@tensorflow/tfjs';
import { placeBlock } from '../../../payload/placement.js';
import { isWebgpu } from '../../memory.js';
import { allocateFloats, borrowFloats, type KernelCall, sizeOf } from '../backend.js';
import { activeSimd, registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';

/** The placement of a tensor's blocks on buckets. */
export interface HashPlacement {
  /** The tensor's seed: 0 to 2^32 - 1. */
  readonly seed: number;
  /** Neighbouring weights per block: 1 to 1,024. */
  readonly block: number;
  /** From `indexBuckets`, on backends that need it. */
  readonly indexes?: tf.Tensor1D | undefined;
}

/**
 * Computes where each weight finds its bucket, for backends on which hashes are not computed on the fly.
 *
 * @param weightCount elements of the tensor
 * @returns by weight, its bucket, plus the number of buckets if the sign is negative: int32, to be disposed
 *   of; undefined on other backends
 */
export function indexBuckets(
  weightCount: number,
  placement: HashPlacement & { readonly bucketCount: number },
): tf.Tensor1D | undefined {
  if (!isWebgpu()) return undefined;
  const { bucketCount } = placement;
  const indexes = new Int32Array(weightCount);
  forEachBlock(weightCount, placement, ({ start, end, first, sign }) => {
    const offset = sign < 0 ? bucketCount : 0;
    for (let i = start; i < end; i++) indexes[i] = offset + ((first + i - start) % bucketCount);
  });
  return tf.tensor1d(indexes, 'int32');
}

/** Buckets on the backend. */
interface BucketTable {
  /** `count + block - 1` elements, the last ones copies of the first. */
  readonly table: tf.Tensor;
  readonly count: number;
  /** Elements of the table; bytes are four to a float of the tensor. */
  readonly element: 'float' | 'byte';
}

/** Bucket values: `fround(bucket * scale)`, with the sign of the block. */
interface HashedValues extends BucketTable {
  /** A float32. */
  readonly scale: number;
}

/** @returns a table of the given buckets for blocks of so many weights */
export function tableOf(buckets: Float32Array, block: number): BucketTable {
  const values = new Float32Array(buckets.length + block - 1);
  values.set(buckets);
  repeatFirst(values, buckets.length);
  return { table: tf.tensor1d(values), count: buckets.length, element: 'float' };
}

/** Writes copies of the first buckets after the last. */
function repeatFirst(values: Float32Array | Int8Array, count: number): void {
  for (let i = count; i < values.length; i++) values[i] = values[i % count] as number;
}

/** How buckets are quantised. */
interface QuantiseOptions {
  /** How many are not zero, more only if several are as large as the last. */
  readonly kept: number;
  /** Whether the kept ones stay floats; otherwise they become -1 or 1. */
  readonly isFloat: boolean;
  readonly block: number;
}

/** @returns whether `quantiseOnBackend` does so */
export function quantisesOnBackend(): boolean {
  return activeSimd() !== undefined;
}

/**
 * Makes all but the largest buckets zero, on the backend.
 *
 * @param values [count]
 * @returns the table, and the mean magnitude of the kept values (1 for floats); undefined without SIMD
 */
export function quantiseOnBackend(
  values: tf.Tensor,
  options: QuantiseOptions,
): (BucketTable & { readonly scale: number }) | undefined {
  if (!activeSimd()) return undefined;
  const [table, scale] = runOwnKernel('NeuralDiffQuantiseBuckets', { values }, options) as [
    tf.Tensor,
    tf.Tensor,
  ];
  const element = options.isFloat ? 'float' : 'byte';
  return { table, count: values.size, element, scale: scale.dataSync()[0] as number };
}

/**
 * Adds a hash diff to a tensor of weights, computing hashes on the fly.
 *
 * @param weights float32 of any shape
 * @returns a new tensor of the same shape
 */
export function addHashed(
  weights: tf.Tensor,
  { table, count, element, scale }: HashedValues,
  { indexes, ...placement }: HashPlacement,
): tf.Tensor {
  if (indexes) {
    const values = tf.mul(tf.slice(table, [0], [count]), scale);
    const changes = tf.gather(tf.concat([values, tf.neg(values)]), indexes);
    return tf.add(weights, tf.reshape(changes, weights.shape));
  }
  if (activeSimd()) {
    return runOwnKernel(
      'NeuralDiffAddHashed',
      { weights, table },
      { ...placement, count, element, scale },
    )[0] as tf.Tensor;
  }
  const values = weights.dataSync().slice() as Float32Array;
  const buckets = table.dataSync() as Float32Array;
  forEachBlock(values.length, { ...placement, bucketCount: count }, ({ start, end, first, sign }) => {
    for (let i = start; i < end; i++) {
      const bucket = buckets[first + i - start] as number;
      values[i] = (values[i] as number) + sign * Math.fround(bucket * scale);
    }
  });
  return tf.tensor(values, weights.shape);
}

interface SumAttrs {
  readonly seeds: readonly number[];
  readonly factors: readonly number[];
  readonly block: number;
  readonly bucketCount: number;
}

/** The gradient of a hashed tensor. */
interface HashedGradient extends Pick<HashPlacement, 'seed' | 'indexes'> {
  readonly gradient: tf.Tensor;
  /** The factor of the tensor's bucket values. */
  readonly factor: number;
}

/**
 * Sums gradients with respect to weights into gradients with respect to their buckets: the transpose of
 * `addHashed`.
 *
 * @param gradients of each tensor, with its placement and the factor of its bucket values
 * @param options neighbouring weights per block, and the number of buckets
 * @returns [bucketCount]
 */
export function sumHashed(
  gradients: readonly HashedGradient[],
  options: { block: number; bucketCount: number },
): tf.Tensor1D {
  if (isWebgpu()) return sumIndexed(gradients, options.bucketCount);
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
  foldTail(sums, options.bucketCount);
  return tf.tensor1d(sums.slice(0, options.bucketCount));
}

/** The order of the sums, and so their last bits, differ from run to run. */
function sumIndexed(gradients: readonly HashedGradient[], bucketCount: number): tf.Tensor1D {
  const sums = gradients.map(({ gradient, factor, indexes }) => {
    const scaled = tf.mul(tf.reshape(gradient, [-1]), Math.fround(factor));
    return tf.unsortedSegmentSum(scaled, indexes as tf.Tensor1D, 2 * bucketCount);
  });
  const sum = tf.addN(sums);
  return tf.sub(tf.slice(sum, [0], [bucketCount]), tf.slice(sum, [bucketCount], [bucketCount]));
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
function foldTail(sums: Float32Array, bucketCount: number): void {
  for (let i = bucketCount; i < sums.length; i++) {
    const place = i % bucketCount;
    sums[place] = (sums[place] as number) + (sums[i] as number);
  }
}

/** Registers the kernels behind these functions. */
export function registerHashKernels(): void {
  registerOwnKernel('NeuralDiffQuantiseBuckets', runQuantise);
  registerOwnKernel('NeuralDiffAddHashed', runAdd);
  registerOwnKernel('NeuralDiffSumHashed', runSum);
}

/** Bytes of the counts of all digits of 16 bits. */
const COUNTS_BYTES = 4 * 2 ** 16;

function runQuantise(
  { inputs, backend, attrs }: KernelCall<'values', QuantiseOptions>,
  simd: Simd,
): tf.TensorInfo[] {
  const { kept, isFloat, block } = attrs;
  const count = sizeOf(inputs.values.shape);
  const length = count + block - 1;
  const table = allocateFloats(backend, [isFloat ? length : Math.ceil(length / 4)]);
  const scale = allocateFloats(backend, [1]);
  const counts = simd.borrowScratch(COUNTS_BYTES);
  const [values, target, mean] = [inputs.values, table, scale].map((tensor) => simd.pointer(tensor)) as [
    number,
    number,
    number,
  ];
  simd.run.quantiseBuckets(count, values, kept, isFloat ? 1 : 0, counts, target, mean);
  const floats = borrowFloats(backend, table);
  repeatFirst(isFloat ? floats : new Int8Array(floats.buffer, floats.byteOffset, length), count);
  return [table, scale];
}

function runAdd(
  { inputs, backend, attrs }: KernelCall<'weights' | 'table', HashPlacement & Omit<HashedValues, 'table'>>,
  simd: Simd,
): tf.TensorInfo[] {
  const { count, scale, block, seed } = attrs;
  const isFloat = attrs.element === 'float' ? 1 : 0;
  const out = allocateFloats(backend, inputs.weights.shape);
  const [weights, table] = [simd.pointer(inputs.weights), simd.pointer(inputs.table)];
  simd.run.addHashed(
    sizeOf(out.shape),
    weights,
    table,
    isFloat,
    scale,
    count,
    block,
    seed,
    simd.pointer(out),
  );
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
  foldTail(sums.view, bucketCount);
  borrowFloats(backend, out).set(sums.view.subarray(0, bucketCount));
  return [out];
}
