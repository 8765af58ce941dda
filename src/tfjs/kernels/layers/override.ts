import * as tf from '@tensorflow/tfjs';
import { activeSimd } from '../own-kernels.js';

/** Marks a method or gradient that was replaced, whichever copy of the package did it. */
const MARK = Symbol.for('neural-diff.override');

/** Name of layers that are made for their class alone: without one they would shift the names of the layers to come. */
export const SAMPLE_NAME = 'neural-diff-sample';

/**
 * Replaces a method of a class of TensorFlow.js, for all of its objects, by one that may decline; whatever it declines,
 * and every other backend, goes the old way.
 *
 * @param owner the class's prototype
 * @param name the method
 * @param attempt `undefined` declines; runs on the wasm backend alone
 */
export function overrideMethod<Self, Args extends unknown[], Result>(
  owner: object,
  name: string,
  attempt: (self: Self, ...args: Args) => Result | undefined,
): void {
  const methods = owner as Record<string, ((this: Self, ...args: Args) => Result) & { [MARK]?: true }>;
  const original = methods[name] as (this: Self, ...args: Args) => Result;
  if (MARK in original) return;
  const replacement = function (this: Self, ...args: Args): Result {
    const result = gradientDepth() < 2 && activeSimd() ? attempt(this, ...args) : undefined;
    return result === undefined ? original.apply(this, args) : result;
  };
  methods[name] = Object.assign(replacement, { [MARK]: true as const });
}

/**
 * Tapes that record: 1 while a model runs forward for its gradients, 0 while they are taken. More are gradients of
 * gradients; these need operations that can be differentiated again, so all overrides decline.
 */
function gradientDepth(): number {
  return (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth;
}

/** Replaces the gradient of a kernel by one that may decline, likewise. */
export function overrideGradient(
  kernelName: string,
  attempt: (...args: Parameters<tf.GradFunc>) => ReturnType<tf.GradFunc> | undefined,
): void {
  const stock = tf.getGradient(kernelName);
  if (stock === undefined || MARK in stock) return;
  const gradFunc: tf.GradFunc = (dy, saved, attrs) => {
    const result = gradientDepth() === 0 && activeSimd() ? attempt(dy, saved, attrs) : undefined;
    return result ?? stock.gradFunc(dy, saved, attrs);
  };
  tf.unregisterGradient(kernelName);
  tf.registerGradient(Object.assign({ ...stock, gradFunc }, { [MARK]: true as const }));
}

/** @returns the input of a layer that takes one, or undefined where the layer itself has to complain */
export function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor | undefined {
  if (!Array.isArray(inputs)) return inputs;
  return inputs.length === 1 ? inputs[0] : undefined;
}
