import { canonicalOrder, type TensorInfo } from '../../src/model/tensor.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import type { BaseWeights } from '../../src/train/session.js';

/**
 * The trainable tensors: those that are compressed, and those of at most one dimension, which always are
 * dense.
 */
export interface Split {
  readonly matrices: readonly TensorInfo[];
  readonly vectors: readonly TensorInfo[];
}

/** Splits the trainable tensors as diffs do. */
export function splitTensors(base: BaseWeights): Split {
  const trainable = canonicalOrder(base.tensors.filter((info) => base.trainable.has(info.name)));
  return {
    matrices: trainable.filter((info) => info.shape.length >= 2),
    vectors: trainable.filter((info) => info.shape.length < 2),
  };
}

/** @returns base plus deltas, rounded once, as a device would; tensors without a delta are kept */
export function addDeltas(base: Values, deltas: Values): Values {
  const add = (name: string, weights: Float32Array): Float32Array => {
    const delta = deltas.get(name);
    return delta === undefined ? weights.slice() : weights.map((weight, i) => weight + (delta[i] as number));
  };
  return new Map([...base].map(([name, weights]) => [name, add(name, weights)]));
}

/** @returns a tensor's mean value */
export function meanOf(values: Values, name: string): number {
  const array = valuesOf(values, name);
  return array.reduce((sum, value) => sum + value, 0) / array.length;
}
