import * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall, refresh, reshaped, sizeOf, type WasmBackend } from '../backend.js';
import { registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';
import { overrideMethod } from './override.js';

/** The parts of the TensorFlow.js Adam optimiser used here, as of version 4.22. */
interface Adam {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly accBeta1: tf.Variable;
  readonly accBeta2: tf.Variable;
  readonly accumulatedFirstMoment: (Moment | undefined)[];
  readonly accumulatedSecondMoment: (Moment | undefined)[];
  incrementIterations(): void;
}

interface Moment {
  readonly originalName: string;
  readonly variable: tf.Variable;
}

/** Steps every variable in one kernel instead of a dozen, with bit-identical results. */
export function overrideAdam(): void {
  registerOwnKernel('NeuralDiffAdam', adam);
  overrideMethod(tf.AdamOptimizer.prototype, 'applyGradients', applyGradients);
}

interface AdamAttrs {
  readonly beta1: number;
  readonly beta2: number;
  readonly correction1: number;
  readonly correction2: number;
  readonly epsilon: number;
  readonly learningRate: number;
}

type AdamCall = KernelCall<'value' | 'gradient' | 'first' | 'second', AdamAttrs>;

/** @returns new values, first and second moments: in place unless the old ones are shared */
function adam({ inputs, backend, attrs }: AdamCall, simd: Simd): tf.TensorInfo[] {
  const { value, gradient, first, second } = inputs;
  const from = [value, gradient, first, second].map((tensor) => simd.pointer(tensor));
  const outputs = [value, first, second].map((tensor) => reuse(backend, tensor));
  const { beta1, beta2, correction1, correction2, epsilon, learningRate } = attrs;
  const rates = [beta1, 1 - beta1, beta2, 1 - beta2, correction1, correction2, epsilon, -learningRate];
  const to = outputs.map((tensor) => simd.pointer(tensor));
  simd.run.adam(sizeOf(value.shape), ...from, ...rates, ...to);
  if (outputs[0]?.dataId === value.dataId) refresh(backend, value);
  return outputs;
}

/** @returns another reference to a tensor's memory if there is only one, else a new tensor */
function reuse(backend: WasmBackend, tensor: tf.TensorInfo): tf.TensorInfo {
  if (backend.refCount(tensor.dataId) > 1) return allocateFloats(backend, tensor.shape);
  backend.incRef(tensor.dataId);
  return reshaped(tensor, tensor.shape);
}

interface NamedTensor {
  readonly name: string;
  readonly tensor: tf.Tensor;
}

function applyGradients(self: Adam, given: NamedTensor[] | tf.NamedTensorMap): true | undefined {
  const gradients = Array.isArray(given)
    ? given
    : Object.entries(given).map(([name, tensor]) => ({ name, tensor }));
  const variables = tf.engine().registeredVariables;
  if (!gradients.every(({ name, tensor }) => fits(variables[name], tensor))) return undefined;
  tf.tidy(() => {
    const { beta1, beta2, epsilon, learningRate } = self;
    const correction1 = Math.fround(1 - scalarOf(self.accBeta1));
    const correction2 = Math.fround(1 - scalarOf(self.accBeta2));
    const attrs = { beta1, beta2, correction1, correction2, epsilon, learningRate };
    gradients.forEach(({ name, tensor: gradient }, i) => {
      const value = variables[name] as tf.Variable;
      const first = momentOf(self.accumulatedFirstMoment, i, { name: `${name}/m`, value });
      const second = momentOf(self.accumulatedSecondMoment, i, { name: `${name}/v`, value });
      if (gradient == null) return;
      const results = runOwnKernel('NeuralDiffAdam', { value, gradient, first, second }, attrs);
      [value, first, second].forEach((variable, place) => {
        variable.assign(results[place] as tf.Tensor);
      });
    });
    self.accBeta1.assign(tf.mul(self.accBeta1, beta1));
    self.accBeta2.assign(tf.mul(self.accBeta2, beta2));
  });
  self.incrementIterations();
  return true;
}

/** Cases that need broadcasts, casts or errors are left to the optimiser itself. */
function fits(variable: tf.Variable | undefined, gradient: tf.Tensor | null): boolean {
  if (variable?.dtype !== 'float32') return false;
  return (
    gradient == null || (gradient.dtype === 'float32' && tf.util.arraysEqual(gradient.shape, variable.shape))
  );
}

/** @returns the running means of squared gradients of an optimiser that has stepped, in its order */
export function secondMoments(optimizer: tf.AdamOptimizer): tf.Variable[] {
  const { accumulatedSecondMoment } = optimizer as unknown as Adam;
  return accumulatedSecondMoment.map((moment) => (moment as Moment).variable);
}

function scalarOf(variable: tf.Variable): number {
  return variable.dataSync()[0] as number;
}

function momentOf(
  moments: (Moment | undefined)[],
  place: number,
  { name, value }: { name: string; value: tf.Variable },
): tf.Variable {
  moments[place] ??= { originalName: name, variable: tf.tidy(() => tf.zerosLike(value).variable(false)) };
  return (moments[place] as Moment).variable;
}
