import type * as tf from '@tensorflow/tfjs';
import { addHashed, sumHashed } from '../kernels/index.js';
import type { TensorInfo } from '../model/index.js';
import { tensorSeed } from '../payload/index.js';
import {
  createRandom,
  createVariable,
  type DiffPart,
  readFloats,
  scalesFor,
  valuesOf,
} from '../train/index.js';
import { type BucketCoding, quantiseBuckets } from './buckets.js';

/** What defines a hash diff before its buckets are trained. */
export interface HashPartOptions {
  /** The tensors it covers, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly bucketCount: number;
  readonly block: number;
  readonly seed: number;
  readonly coding: BucketCoding;
  /** Share of the buckets that are 0. */
  readonly zeros: number;
  /** How large a tensor's changes are about to be, by name; 1 unless given. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Magnitude of the random bucket values that training starts from: they break the symmetry of the quantiser. */
const INITIAL_VALUE = 0.05;

/**
 * Every location of some tensors takes the value of the bucket that it is hashed to, with a hashed sign. The gradient
 * of a bucket is the signed sum of the gradients of its locations.
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
  const hashed = tensors.map((info, ordinal) => {
    return { name: info.name, seed: tensorSeed(seed, ordinal), size: options.sizes.get(info.name) ?? 1 };
  });
  const quantised = (share: number) => quantiseBuckets(readFloats(theta), coding, share);
  return {
    tensors: hashed.map(({ name }) => name),
    parameters: [theta],
    advance() {},
    materialise(weights) {
      const { buckets, scale } = quantised(zeros);
      const values = new Float32Array(buckets.values);
      const add = ({ name, seed, size }: Hashed): tf.Tensor => {
        const hashed = { buckets: values, scale: scaleOf(name, scale * size) };
        return addHashed(valuesOf(weights, name), hashed, { seed, block });
      };
      return new Map(hashed.map((tensor) => [tensor.name, add(tensor)]));
    },
    pullBack(gradients) {
      const parts = hashed.map(({ name, seed, size }) => {
        return { gradient: valuesOf(gradients, name), seed, factor: size };
      });
      return [sumHashed(parts, { block, bucketCount })];
    },
    ops(thrift) {
      const { buckets, scale } = quantised(zeros + thrift * (1 - zeros));
      if (buckets.values.every((value) => value === 0)) return [];
      const scaled = hashed.map(({ name, size }) => ({ tensor: name, scale: scaleOf(name, scale * size) }));
      return [{ kind: 'hash', tensors: scaled, seed, block, buckets }];
    },
    describe: () => ({ buckets: bucketCount }),
    dispose: () => theta.dispose(),
  };
}

/** A tensor under the hash, the seed of its placement, and how large its changes are about to be. */
interface Hashed {
  readonly name: string;
  readonly seed: number;
  readonly size: number;
}
