import type * as tf from '@tensorflow/tfjs';
import { elementCount, type TensorInfo } from '../model/tensor.js';
import type { Buckets } from '../payload/diff.js';
import { tensorSeed } from '../payload/placement.js';
import {
  addHashed,
  type HashPlacement,
  indexBuckets,
  quantiseOnBackend,
  quantisesOnBackend,
  sumHashed,
  tableOf,
} from '../tfjs/kernels/diff/hashed.js';
import { nthLargest } from '../train/layout.js';
import { createVariable, type DiffPart, readFloats, valuesOf } from '../train/part.js';
import { scalesFor } from '../train/quantise.js';
import { createRandom } from '../train/random.js';

/** Settings of a hash diff. */
export interface HashPartOptions {
  /** The tensors it covers, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly bucketCount: number;
  readonly block: number;
  readonly seed: number;
  readonly coding: BucketCoding;
  /** Share of the buckets that are zero. */
  readonly zeros: number;
  /** Expected size of each tensor's changes, by name; 1 by default. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Magnitude of the random initial bucket values, which break the symmetry of the quantiser. */
const INITIAL_VALUE = 0.05;

/**
 * Creates a part in which each weight takes the value of the bucket it is hashed to, with a hashed sign. The
 * gradient of a bucket is the signed sum of the gradients of its weights.
 *
 * Source: W. Chen et al., "Compressing Neural Networks with the Hashing Trick", 2015.
 */
export function createHashPart(options: HashPartOptions): DiffPart {
  const { tensors, bucketCount, coding, seed, block, zeros } = options;
  const random = createRandom(seed);
  const scaleOf = scalesFor(tensors);
  const theta = createVariable(
    Float32Array.from({ length: bucketCount }, () => (2 * random() - 1) * INITIAL_VALUE),
  );
  const hashed = tensors.map((info, ordinal): Hashed => {
    const placement = { seed: tensorSeed(seed, ordinal), block };
    const indexes = indexBuckets(elementCount(info), { ...placement, bucketCount });
    return { name: info.name, size: options.sizes.get(info.name) ?? 1, placement: { ...placement, indexes } };
  });
  let values: Float32Array = new Float32Array(bucketCount);
  const read = async (): Promise<void> => {
    values = await readFloats(theta);
  };
  const quantised = (share: number) => quantiseBuckets(values, coding, share);
  const tabled = () => {
    const options = { kept: keptOf(bucketCount, zeros), isFloat: coding === 'float', block };
    const onBackend = quantiseOnBackend(theta, options);
    if (onBackend) return onBackend;
    const { buckets, scale } = quantised(zeros);
    return { ...tableOf(new Float32Array(buckets.values), block), scale };
  };
  return {
    tensors: hashed.map(({ name }) => name),
    parameters: [theta],
    advance: () => (quantisesOnBackend() ? undefined : read()),
    read,
    materialise(weights) {
      const { scale, ...buckets } = tabled();
      const add = ({ name, size, placement }: Hashed): tf.Tensor => {
        const values = { ...buckets, scale: scaleOf(name, scale * size) };
        return addHashed(valuesOf(weights, name), values, placement);
      };
      return new Map(hashed.map((tensor) => [tensor.name, add(tensor)]));
    },
    pullBack(gradients) {
      const parts = hashed.map(({ name, size, placement }) => {
        return { ...placement, gradient: valuesOf(gradients, name), factor: size };
      });
      return [sumHashed(parts, { block, bucketCount })];
    },
    ops(extraZeros) {
      const { buckets, scale } = quantised(zeros + extraZeros * (1 - zeros));
      if (buckets.values.every((value) => value === 0)) return [];
      const scaled = hashed.map(({ name, size }) => ({ tensor: name, scale: scaleOf(name, scale * size) }));
      return [{ kind: 'hash', tensors: scaled, seed, block, buckets }];
    },
    describe: () => ({ buckets: bucketCount }),
    dispose() {
      theta.dispose();
      for (const { placement } of hashed) placement.indexes?.dispose();
    },
  };
}

/** A hashed tensor with its placement and the expected size of its changes. */
interface Hashed {
  readonly name: string;
  readonly size: number;
  readonly placement: HashPlacement;
}

/** How bucket values are stored: as floats, as -1, 0 or 1, or as -1 or 1. */
export type BucketCoding = 'float' | 'ternary' | 'sign';

/** Quantised buckets and the factor that multiplies them. */
export interface QuantisedBuckets {
  readonly buckets: Buckets;
  /** A positive float32; 1 for float buckets. */
  readonly scale: number;
}

/**
 * Quantises bucket values; training uses a straight-through gradient.
 *
 * Source: F. Li, B. Liu, "Ternary Weight Networks", 2016, for the scale of ternary values; M. Rastegari et
 * al., "XNOR-Net", 2016, for that of signs.
 *
 * @param values the trained values
 * @param coding how to quantise them
 * @param zeros share of the values that become 0, smallest first, for any coding: 0 to 1
 */
export function quantiseBuckets(values: Float32Array, coding: BucketCoding, zeros: number): QuantisedBuckets {
  // Plain loops: `map` is about a hundred times slower per element.
  const magnitudes = new Float32Array(values.length);
  for (let i = 0; i < magnitudes.length; i++) magnitudes[i] = Math.abs(values[i] as number);
  const kept = keptOf(values.length, zeros);
  const least = kept === 0 ? Number.POSITIVE_INFINITY : nthLargest([magnitudes], kept);
  if (coding === 'float') {
    const large = values.slice();
    for (let i = 0; i < large.length; i++) if ((magnitudes[i] as number) < least) large[i] = 0;
    return { buckets: { coding, values: large }, scale: 1 };
  }
  // Four sums, as the kernel has them.
  const sums = new Float64Array(4);
  let count = 0;
  const levels = new Int8Array(values.length);
  for (let i = 0; i < levels.length; i++) {
    const magnitude = magnitudes[i] as number;
    if (magnitude < least) continue;
    levels[i] = (values[i] as number) < 0 ? -1 : 1;
    sums[i & 3]! += magnitude;
    count++;
  }
  const [a, b, c, d] = sums as unknown as [number, number, number, number];
  const scale = count === 0 ? 1 : Math.fround((a + c + (b + d)) / count);
  return { buckets: { coding: 'levels', values: levels }, scale };
}

/** @returns how many of the buckets are not zero */
function keptOf(count: number, zeros: number): number {
  return Math.round((1 - zeros) * count);
}

/** @returns the bits per bucket after entropy coding */
export function bitsPerBucket(coding: BucketCoding, zeros: number): number {
  if (coding === 'float') return 32;
  if (zeros <= 0 || zeros >= 1) return 1;
  return 1 - zeros - zeros * Math.log2(zeros) - (1 - zeros) * Math.log2(1 - zeros);
}
