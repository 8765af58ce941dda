import * as tf from '@tensorflow/tfjs';
import type { Op } from '../payload/diff.js';

/** Float32 values of tensors by name. */
export type Values = ReadonlyMap<string, Float32Array>;

/** The same where they lie on the backend: weights, or gradients of the loss by them. */
export type LiveValues = ReadonlyMap<string, tf.Tensor>;

/** Where a training run stands. */
export interface TrainingShare {
  /** Share of all steps that is done: 0 at the first step, below 1 at the last. */
  readonly done: number;
}

/**
 * A reparameterisation of some of a model's weights around the frozen base: `W = W0 + D(θ)`. A part owns its θ as
 * variables; the training loop owns optimiser, data and model, and tidies up what the methods make.
 */
export interface DiffPart {
  /** The tensors whose weights it changes. */
  readonly tensors: readonly string[];
  /** θ, stepped by the optimiser. */
  readonly parameters: readonly tf.Variable[];
  /** Moves schedules on, before each step. */
  advance(progress: TrainingShare): void;
  /** @returns the part's tensors with D(θ) added, exactly as the packed diff will */
  materialise(weights: LiveValues): LiveValues;
  /** Turns gradients by weights into gradients by θ, in the order of `parameters`. */
  pullBack(gradients: LiveValues): tf.Tensor[];
  /**
   * The diff of the present θ; parts without any effect give none.
   *
   * @param extraZeros 0 for all of it; up to 1, where nothing is left, for less and less, what matters least going first
   */
  ops(extraZeros: number): Op[];
  /** What people may want to see while it trains: density, temperature, buckets. */
  describe(): Readonly<Record<string, number>>;
  /** Frees θ and whatever else it holds on the backend. */
  dispose(): void;
}

/** @returns a tensor's values; every part asks only for tensors that it was made for */
export function valuesOf<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined) throw new RangeError(`Cannot train: there are no values for tensor "${name}"`);
  return value;
}

/** @returns a variable that starts from some values; the array stays the caller's */
export function createVariable(values: Float32Array): tf.Variable {
  // The backend may keep the array it is given, and a variable has a handle of its own: the tensor must go.
  return tf.tidy(() => tf.variable(tf.tensor1d(values.slice())));
}

/** @returns variables full of zeros, as long as some arrays */
export function zeroVariables(like: Values): Map<string, tf.Variable> {
  return new Map([...like].map(([name, values]) => [name, createVariable(new Float32Array(values.length))]));
}

/** @returns a copy of a tensor's float32 values, each times a factor */
export function readScaled(tensor: tf.Tensor, factor: number): Float32Array {
  const values = readFloats(tensor);
  for (let i = 0; i < values.length; i++) values[i] = factor * (values[i] as number);
  return values;
}

/** @returns a copy of a tensor's float32 values */
export function readFloats(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync().slice() as Float32Array;
}
