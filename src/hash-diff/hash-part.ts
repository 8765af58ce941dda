import * as tf from '@tensorflow/tfjs';
import { addHashed, sumHashed } from '../kernels/index.js';
import type { TensorInfo } from '../model/index.js';
import { tensorSeed } from '../payload/index.js';
import {
  asScale,
  createRandom,
  createVariable,
  type DiffPart,
  readFloats,
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
  /** How large a tensor's changes are beside the others', by name; 1 for all makes them equal. */
  readonly ratios: ReadonlyMap<string, number>;
  /** Whether training goes on to adapt the ratios. */
  readonly learnsRatios: boolean;
}

/** Magnitude of the random bucket values that training starts from: they break the symmetry of the quantiser. */
const INITIAL_VALUE = 1e-3;

/**
 * Every location of some tensors takes the value of the bucket that it is hashed to, with a hashed sign. The gradient
 * of a bucket is the signed sum of the gradients of its locations.
 *
 * Source: W. Chen et al., "Compressing Neural Networks with the Hashing Trick", 2015.
 */
export function createHashPart(options: HashPartOptions): DiffPart {
  const { tensors, bucketCount, coding, seed, block, zeros } = options;
  const random = createRandom(seed);
  const theta = createVariable(
    Float32Array.from({ length: bucketCount }, () => (2 * random() - 1) * INITIAL_VALUE),
  );
  const given = tensors.map((info) => options.ratios.get(info.name) ?? 1);
  /** Logarithms of what training makes of the ratios. */
  const growth = createVariable(new Float32Array(tensors.length));
  const ratios = (): number[] => given.map((ratio, i) => ratio * Math.exp(readFloats(growth)[i] as number));
  const hashed = tensors.map((info, ordinal) => ({ name: info.name, seed: tensorSeed(seed, ordinal) }));
  const quantised = (share: number) => quantiseBuckets(readFloats(theta), coding, share);
  return {
    tensors: hashed.map(({ name }) => name),
    parameters: options.learnsRatios ? [theta, growth] : [theta],
    advance() {},
    materialise(weights) {
      const { buckets, scale } = quantised(zeros);
      const values = new Float32Array(buckets.values);
      const present = ratios();
      const add = ({ name, seed }: Hashed, i: number): tf.Tensor => {
        const changes = { buckets: values, scale: asScale(scale * (present[i] as number)) };
        return addHashed(valuesOf(weights, name), changes, { seed, block });
      };
      return new Map(hashed.map((tensor, i) => [tensor.name, add(tensor, i)]));
    },
    pullBack(gradients) {
      const present = ratios();
      const parts = hashed.map(({ name, seed }, i) => {
        return { gradient: valuesOf(gradients, name), seed, factor: present[i] as number };
      });
      if (!options.learnsRatios) return [sumHashed(parts, { block, bucketCount })];
      const { buckets, scale } = quantised(zeros);
      const changes = tf.mul(tf.tensor1d(new Float32Array(buckets.values)), scale);
      const sums = parts.map((part) => sumHashed([part], { block, bucketCount }));
      // The logarithm of a ratio moves all of its tensor's changes in proportion.
      return [tf.addN(sums), tf.stack(sums.map((sum) => tf.sum(tf.mul(sum, changes))))];
    },
    ops(thrift) {
      const { buckets, scale } = quantised(zeros + thrift * (1 - zeros));
      if (buckets.values.every((value) => value === 0)) return [];
      const present = ratios();
      const scaled = hashed.map(({ name }, i) => ({
        tensor: name,
        scale: asScale(scale * (present[i] as number)),
      }));
      return [{ kind: 'hash', tensors: scaled, seed, block, buckets }];
    },
    describe: () => ({ buckets: bucketCount }),
    dispose: () => tf.dispose([theta, growth]),
  };
}

/** A tensor under the hash, and the seed of its placement. */
interface Hashed {
  readonly name: string;
  readonly seed: number;
}
