import * as tf from '@tensorflow/tfjs';
import type { Quantization } from '../model/store.js';
import type { TensorInfo } from '../model/tensor.js';
import type { Op } from '../payload/diff.js';
import type { FineTuned } from './fine-tune.js';
import { pickValues, type TensorPartition } from './layout.js';
import { type DiffPart, readScaled, type Values, valuesOf, zeroVariables } from './part.js';
import {
  entropyOf,
  type Quantised,
  quantiseUniform,
  rootMeanSquare,
  type ScaleOf,
  scaleLevels,
  scalesFor,
} from './quantise.js';
import { scalesOf } from './session.js';
import type { PartContext } from './train-diff.js';

/**
 * Changes are so many times their parameters: biases and norms want a higher learning rate than weights that share
 * values, and an optimiser has one for all.
 */
export const DENSE_GAIN = 5;

/** Share of the distance to the rate that a step corrects, as a power of two a bit. */
const CORRECTION = 0.5;

/**
 * Every weight of some small tensors (biases, scales and offsets of norms) changes, on a grid whose rounding is part of
 * training. How coarse the grid is, follows from the bits that a weight may take.
 *
 * @param base values of the tensors by name
 * @param options `rate`: bits a weight, after entropy coding, over all the tensors, above 0; `sizes`: how large the
 *   tensors' changes are about to be, by name, 1 unless given; `scaleOf`: rounds their scales, those of floats unless given
 */
export function createDensePart(base: Values, options: DenseOptions): DiffPart {
  return new DensePart(base, options);
}

/** @returns the part that every kind of diff has for a model's biases and norms */
export function densePartOf({ base, full, denseRate }: PartContext, { vectors }: TensorPartition): DiffPart {
  const sizes = changeSizes(full, vectors, base.quantization);
  const scaleOf = scalesFor(base.tensors);
  return createDensePart(pickValues(base.trainable, vectors), { rate: denseRate, sizes, scaleOf });
}

interface DenseOptions {
  readonly rate: number;
  readonly sizes?: ReadonlyMap<string, number>;
  readonly scaleOf?: ScaleOf;
}

class DensePart implements DiffPart {
  readonly tensors: readonly string[];
  readonly parameters: readonly tf.Variable[];
  readonly #parameters: ReadonlyMap<string, tf.Variable>;
  readonly #rate: number;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #scaleOf: ScaleOf;
  /** Grid step as a multiple of a tensor's root mean square. */
  #step: number;

  constructor(base: Values, { rate, sizes = new Map(), scaleOf = scalesFor([]) }: DenseOptions) {
    this.#parameters = zeroVariables(base);
    this.tensors = [...base.keys()];
    this.parameters = [...this.#parameters.values()];
    this.#rate = rate;
    this.#sizes = sizes;
    this.#scaleOf = scaleOf;
    // The step at which normally distributed values need so many bits.
    this.#step = 4 * 2 ** -rate;
  }

  advance(): void {}

  materialise(weights: Parameters<DiffPart['materialise']>[0]) {
    const quantised = this.#quantise(this.#step);
    const entropy = entropyOf([...quantised.values()].map(({ levels }) => levels));
    if (entropy > 0) this.#step *= 2 ** (CORRECTION * (entropy - this.#rate));
    const add = (name: string): tf.Tensor => {
      const weight = valuesOf(weights, name);
      const { levels, scale } = valuesOf(quantised, name);
      return tf.add(weight, tf.tensor(scaleLevels(levels, scale), weight.shape));
    };
    return new Map(this.tensors.map((name) => [name, add(name)]));
  }

  pullBack(gradients: Parameters<DiffPart['pullBack']>[0]): tf.Tensor[] {
    return this.tensors.map((name) => tf.mul(tf.reshape(valuesOf(gradients, name), [-1]), this.#unit(name)));
  }

  ops(thrift: number): Op[] {
    const quantised = this.#quantise(this.#step * 2 ** (4 * thrift));
    return [...quantised].flatMap(([tensor, { levels, scale }]): Op[] => {
      if (thrift === 1 || levels.every((level) => level === 0)) return [];
      return [{ kind: 'dense', tensor, scale, levels: Int8Array.from(levels) }];
    });
  }

  describe() {
    return {};
  }

  dispose(): void {
    tf.dispose([...this.#parameters.values()]);
  }

  #unit(name: string): number {
    return DENSE_GAIN * (this.#sizes.get(name) ?? 1);
  }

  #quantise(step: number): Map<string, Quantised> {
    const quantise = (name: string): Quantised => {
      const values = readScaled(valuesOf(this.#parameters, name), this.#unit(name));
      const scale = this.#scaleOf(name, step * rootMeanSquare(values));
      return { levels: quantiseUniform(values, scale), scale };
    };
    return new Map(this.tensors.map((name) => [name, quantise(name)]));
  }
}

/** What a tensor counts for that the full fine-tune did not move: some change must be possible. */
const LEAST = 1e-4;

/**
 * How large changes are about to be: diffs are trained in these units, so that one learning rate suits all models.
 *
 * @returns root mean square of each tensor's change in the full fine-tune, by name; in units of its quantisation's scales
 *   (their root mean square) where it has one
 */
export function changeSizes(
  full: FineTuned,
  infos: readonly TensorInfo[],
  quantization: ReadonlyMap<string, Quantization>,
): Map<string, number> {
  const sizeOf = ({ name }: TensorInfo): number => {
    const size = Math.max(LEAST, rootMeanSquare(valuesOf(full.deltas, name)));
    return size / rootMeanSquare(scalesOf(quantization.get(name)));
  };
  return new Map(infos.map((info) => [info.name, sizeOf(info)]));
}
