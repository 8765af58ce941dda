import * as tf from '@tensorflow/tfjs';
import type { Quantization } from '../model/store.js';
import type { TensorInfo } from '../model/tensor.js';
import type { Op } from '../payload/diff.js';
import type { FineTuned } from './fine-tune.js';
import { pickValues, type TensorPartition } from './layout.js';
import { type DiffPart, readAll, scaleInPlace, type Values, valuesOf, zeroVariables } from './part.js';
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
 * Factor from parameters to changes: biases and norms need a higher learning rate than weights that share
 * values, and an optimiser has one rate for all.
 */
export const DENSE_GAIN = 2;

/** Share of the difference to the target rate that a step corrects (the step size doubles per bit). */
const CORRECTION = 0.5;

/**
 * Creates a part that changes every weight of small tensors (biases, scales and offsets of norms), with
 * rounding to a grid as part of training. The step of the grid adapts to the bits that a weight may take.
 *
 * @param base values of the tensors by name
 * @param options `rate`: bits per weight after entropy coding, over all the tensors, above 0; `sizes`:
 *   expected size of each tensor's changes, by name, 1 by default; `scaleOf`: rounds their scales, by default
 *   as for floats
 */
export function createDensePart(base: Values, options: DenseOptions): DiffPart {
  return new DensePart(base, options);
}

/** @returns the part for a model's biases and norms that every kind of diff has */
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
  /** Grid step as a multiple of a tensor's root mean square change. */
  #step: number;
  /** Changes as they were last read. */
  #changes: Values;

  constructor(base: Values, { rate, sizes = new Map(), scaleOf = scalesFor([]) }: DenseOptions) {
    this.#parameters = zeroVariables(base);
    this.tensors = [...base.keys()];
    this.parameters = [...this.#parameters.values()];
    this.#rate = rate;
    this.#sizes = sizes;
    this.#scaleOf = scaleOf;
    // The step at which normally distributed values need this many bits.
    this.#step = 4 * 2 ** -rate;
    this.#changes = new Map([...base].map(([name, { length }]) => [name, new Float32Array(length)]));
  }

  advance(): Promise<void> {
    return this.read();
  }

  async read(): Promise<void> {
    this.#changes = await readAll(this.#parameters);
    for (const [name, values] of this.#changes) scaleInPlace(values, this.#unit(name));
  }

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

  ops(extraZeros: number): Op[] {
    const quantised = this.#quantise(this.#step * 2 ** (4 * extraZeros));
    return [...quantised].flatMap(([tensor, { levels, scale }]): Op[] => {
      if (extraZeros === 1 || levels.every((level) => level === 0)) return [];
      return [{ kind: 'dense', tensor, scale, levels: Int8Array.from(levels) }];
    });
  }

  save(): number {
    return this.#step;
  }

  restore(step: number): void {
    this.#step = step;
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
      const values = valuesOf(this.#changes, name);
      const scale = this.#scaleOf(name, step * rootMeanSquare(values));
      return { levels: quantiseUniform(values, scale), scale };
    };
    return new Map(this.tensors.map((name) => [name, quantise(name)]));
  }
}

/** Size of a tensor's changes if the full fine-tune did not change it: some change must be possible. */
const LEAST = 1e-4;

/**
 * Computes the expected size of each tensor's changes. Diffs are trained in these units, so that one learning
 * rate suits all models.
 *
 * @returns root mean square of each tensor's change in the full fine-tune, by name; for quantised tensors in
 *   units of the root mean square of their scales
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
