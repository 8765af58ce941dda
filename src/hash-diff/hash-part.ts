import { elementCount, type TensorInfo } from '../model/index.js';
import { placeElements } from '../payload/index.js';
import { createRandom, type DiffPart, type Values, valuesOf } from '../train/index.js';
import { type BucketCoding, quantiseBuckets } from './buckets.js';

/** What defines a hash diff before its buckets are trained. */
export interface HashPartOptions {
  /** The tensors it covers, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly bucketCount: number;
  readonly block: number;
  readonly seed: number;
  readonly coding: BucketCoding;
  /** How large a tensor's changes are beside the others', by name; 1 for all makes them equal. */
  readonly ratios: ReadonlyMap<string, number>;
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
  const { tensors, bucketCount, coding, seed, block } = options;
  const random = createRandom(seed);
  const theta = Float32Array.from({ length: bucketCount }, () => (2 * random() - 1) * INITIAL_VALUE);
  const places = tensors.map((info, ordinal) => placeElements(options, ordinal, elementCount(info)));
  const ratios = tensors.map((info) => options.ratios.get(info.name) ?? 1);
  const scaleOf = (scale: number, ordinal: number): number =>
    Math.fround(scale * (ratios[ordinal] as number));
  return {
    tensors: tensors.map((info) => info.name),
    parameters: [theta],
    advance() {},
    materialise(weights) {
      const { buckets, scale } = quantiseBuckets(theta, coding);
      tensors.forEach((info, ordinal) => {
        const table = signedTable(buckets.values, scaleOf(scale, ordinal));
        addHashed(valuesOf(weights, info.name), places[ordinal] as Uint32Array, table);
      });
    },
    pullBack: (gradients) => [sumIntoBuckets(gradients, { tensors, places, ratios, bucketCount })],
    ops() {
      const { buckets, scale } = quantiseBuckets(theta, coding);
      if (buckets.values.every((value) => value === 0)) return [];
      const hashed = tensors.map((info, ordinal) => ({ tensor: info.name, scale: scaleOf(scale, ordinal) }));
      return [{ kind: 'hash', tensors: hashed, seed, block, buckets }];
    },
    describe: () => ({ buckets: bucketCount }),
  };
}

/** @returns, for each bucket, the value it adds and, next to it, the value with the opposite sign */
function signedTable(values: Float32Array | Int8Array, scale: number): Float32Array {
  const table = new Float32Array(2 * values.length);
  values.forEach((value: number, bucket: number) => {
    const scaled = Math.fround(value * scale);
    table[2 * bucket] = scaled;
    table[2 * bucket + 1] = -scaled;
  });
  return table;
}

function addHashed(weights: Float32Array, places: Uint32Array, table: Float32Array): void {
  for (let i = 0; i < weights.length; i++) {
    weights[i] = (weights[i] as number) + (table[places[i] as number] as number);
  }
}

function sumIntoBuckets(
  gradients: Values,
  part: { tensors: readonly TensorInfo[]; places: Uint32Array[]; ratios: number[]; bucketCount: number },
): Float32Array {
  const sums = new Float64Array(part.bucketCount);
  part.tensors.forEach((info, ordinal) => {
    const gradient = valuesOf(gradients, info.name);
    const places = part.places[ordinal] as Uint32Array;
    const ratio = part.ratios[ordinal] as number;
    for (let i = 0; i < gradient.length; i++) {
      const place = places[i] as number;
      const signed = place & 1 ? -(gradient[i] as number) : (gradient[i] as number);
      sums[place >>> 1] = (sums[place >>> 1] as number) + ratio * signed;
    }
  });
  return Float32Array.from(sums);
}
