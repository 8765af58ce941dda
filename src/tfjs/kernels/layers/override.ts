import * as tf from '@tensorflow/tfjs';
import { activeSimd } from '../own-kernels.js';

/** Marks a method or gradient as replaced, by any copy of the package. */
const MARK = Symbol.for('neural-diff.override');

/** Name of layers created only for their class: default names would shift the names of later layers. */
export const SAMPLE_NAME = 'neural-diff-sample';

/**
 * Replaces a method of a TensorFlow.js class for all of its objects. The replacement may decline; declined
 * calls, and those on other backends, use the original method.
 *
 * @param owner the class's prototype
 * @param name the method
 * @param attempt declines by returning `undefined`; called on the wasm backend only
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
 * Active gradient tapes: 1 while a model runs forward for its gradients, 0 while they are computed. More mean
 * gradients of gradients, which need differentiable operations, so all overrides decline.
 */
function gradientDepth(): number {
  return (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth;
}

/** Replaces the gradient of a kernel in the same way. */
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

/** @returns the single input of a layer, or undefined if the layer itself has to report an error */
export function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor | undefined {
  if (!Array.isArray(inputs)) return inputs;
  return inputs.length === 1 ? inputs[0] : undefined;
}
