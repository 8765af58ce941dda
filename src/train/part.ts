import type { Op } from '../payload/index.js';

/** Float32 values of tensors by name: weights, or gradients of the loss by them. */
export type Values = ReadonlyMap<string, Float32Array>;

/** Where a training run stands. */
export interface Progress {
  /** Share of all steps that is done: 0 at the first step, below 1 at the last. */
  readonly done: number;
}

/**
 * A reparameterisation of some of a model's weights around the frozen base: `W = W0 + D(θ)`. A part owns its θ as
 * plain arrays; the training loop owns optimiser, data and model.
 */
export interface DiffPart {
  /** The tensors whose weights it changes. */
  readonly tensors: readonly string[];
  /** θ, written by the optimiser between steps. */
  readonly parameters: readonly Float32Array[];
  /** Moves schedules on, before each step. */
  advance(progress: Progress): void;
  /** Adds D(θ) to the weights, exactly as the packed diff will. */
  materialise(weights: Values): void;
  /** Turns gradients by weights into gradients by θ, in the order of `parameters`. */
  pullBack(gradients: Values): Float32Array[];
  /** The diff of the present θ; parts without any effect give none. */
  ops(): Op[];
  /** What people may want to see while it trains: density, temperature, buckets. */
  describe(): Readonly<Record<string, number>>;
}

/** @returns a tensor's values; every part asks only for tensors that it was made for */
export function valuesOf(values: Values, name: string): Float32Array {
  const array = values.get(name);
  if (array === undefined) throw new RangeError(`Cannot train: there are no values for tensor "${name}"`);
  return array;
}
