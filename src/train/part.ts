import * as tf from '@tensorflow/tfjs';
import type { Op } from '../payload/diff.js';
import { copyValues, copyValuesSync } from '../tfjs/weights.js';

/** Float32 values of tensors by name. */
export type Values = ReadonlyMap<string, Float32Array>;

/** Values of tensors on the backend: weights, or gradients of the loss with respect to them. */
export type LiveValues = ReadonlyMap<string, tf.Tensor>;

/** Progress of a training run. */
export interface TrainingShare {
  /** Share of steps completed: 0 at the first step, below 1 at the last. */
  readonly done: number;
}

/**
 * A reparameterisation of some of a model's weights around the frozen base: `W = W0 + D(θ)`. A part owns its
 * θ as variables. The training loop owns optimiser, data and model, and disposes of the tensors that the
 * methods create.
 */
export interface DiffPart {
  /** The tensors that the part changes. */
  readonly tensors: readonly string[];
  /** θ, stepped by the optimiser. */
  readonly parameters: readonly tf.Variable[];
  /** Updates schedules before each step, and reads what `materialise` needs of θ. */
  advance(progress: TrainingShare): void | Promise<void>;
  /** Reads θ for `ops` and a last `materialise`, after training: backends may have no synchronous reads. */
  read(): void | Promise<void>;
  /** @returns the part's tensors with D(θ) added, exactly as the packed diff will */
  materialise(weights: LiveValues): LiveValues;
  /**
   * Converts gradients with respect to weights into gradients with respect to θ, in the order of
   * `parameters`.
   */
  pullBack(gradients: LiveValues): tf.Tensor[];
  /**
   * Builds the ops of the current θ; none for a part without effect.
   *
   * @param extraZeros share of changes to drop, least important first: 0 for the whole diff, up to 1 for an
   *   empty one
   */
  ops(extraZeros: number): Op[];
  /** Reads what later steps depend on besides θ, as plain data; by default there is nothing. */
  save?(): unknown;
  /** Takes what `save` of a part that was created in the same way resolved to. */
  restore?(saved: never): void;
  /** State to display during training: density, temperature, buckets. */
  describe(): Readonly<Record<string, number>>;
  /** Disposes of θ and everything else on the backend. */
  dispose(): void;
}

/** @returns a tensor's values; a missing tensor is a programming error */
export function valuesOf<T>(values: Pick<ReadonlyMap<string, T>, 'get'>, name: string): T {
  const value = values.get(name);
  if (value === undefined) throw new RangeError(`Cannot train: no values for tensor "${name}"`);
  return value;
}

/** @returns a variable with the given initial values, which are copied */
export function createVariable(values: Float32Array): tf.Variable {
  // The backend may keep the array, so copy it; the variable has its own handle, so `tidy` may dispose of
  // the tensor.
  return tf.tidy(() => tf.variable(tf.tensor1d(values.slice())));
}

/** @returns variables of zeros, with the lengths of the given arrays */
export function zeroVariables(like: Values): Map<string, tf.Variable> {
  const zeros = ({ length }: Float32Array) => tf.tidy(() => tf.variable(tf.zeros([length])));
  return new Map([...like].map(([name, values]) => [name, zeros(values)]));
}

/** @returns copies of float32 tensors' values, by the same names */
export async function readAll(tensors: LiveValues): Promise<Map<string, Float32Array>> {
  const read = async ([name, tensor]: [string, tf.Tensor]) => [name, await readFloats(tensor)] as const;
  return new Map(await Promise.all(Array.from(tensors, read)));
}

/** Multiplies values in place. @returns the values */
export function scaleInPlace(values: Float32Array, factor: number): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = factor * (values[i] as number);
  return values;
}

/** @returns a copy of a tensor's float32 values */
export async function readFloats(tensor: tf.Tensor): Promise<Float32Array> {
  return (await copyValues(tensor)) as Float32Array;
}

/** @returns the same, from backends that read synchronously */
export function readFloatsSync(tensor: tf.Tensor): Float32Array {
  return copyValuesSync(tensor) as Float32Array;
}
