import * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall, sizeOf } from '../backend.js';
import { activeSimd, registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';

/** Parameters of a gate. */
interface GateOptions {
  /** Saliency at which a gate is half open: above 0. */
  readonly threshold: number;
  /** Softness: above 0. */
  readonly temperature: number;
}

/**
 * Opens soft gates by saliency: `sigmoid(log(saliency / threshold) / temperature)`.
 *
 * @param gates written in place
 * @param change changes of the weights; alone, their magnitude is the saliency
 * @param options threshold, temperature, and by weight what a squared change costs: then that is the saliency
 */
export function openGates(
  gates: tf.Variable,
  change: tf.Tensor,
  options: GateOptions & { readonly fisher?: tf.Tensor | undefined },
): void {
  const { threshold, temperature, fisher } = options;
  const attrs = { logThreshold: Math.log(threshold), inverseTemperature: 1 / temperature };
  if (activeSimd()) {
    runOwnKernel('NeuralDiffOpenGates', { gates, change, ...(fisher && { fisher }) }, attrs);
    return;
  }
  tf.tidy(() => {
    const saliency = fisher ? tf.mul(tf.mul(fisher, change), change) : tf.abs(change);
    const distance = tf.sub(tf.log(tf.maximum(saliency, LEAST_NORMAL)), attrs.logThreshold);
    const open = tf.sigmoid(tf.mul(distance, attrs.inverseTemperature));
    gates.assign(tf.mul(open, tf.cast(tf.greater(open, LEAST_GATE), 'float32')));
  });
}

/** Gates below this are closed. */
const LEAST_GATE = 1e-18;

/** The smallest normal float32. */
const LEAST_NORMAL = 2 ** -126;

/** @returns `base + gates * change`, a new tensor */
export function addGated(base: tf.Tensor, gates: tf.Tensor, change: tf.Tensor): tf.Tensor {
  if (activeSimd()) return runOwnKernel('NeuralDiffAddGated', { base, gates, change })[0] as tf.Tensor;
  return tf.add(base, tf.mul(gates, change));
}

/** @returns `gates * (1 + (1 - gates) * slope) * gradient`, a new tensor */
export function pullGated(gates: tf.Tensor, gradient: tf.Tensor, slope: number): tf.Tensor {
  if (activeSimd()) {
    return runOwnKernel('NeuralDiffPullGated', { gates, gradient }, { slope })[0] as tf.Tensor;
  }
  return tf.mul(tf.mul(gates, tf.add(1, tf.mul(tf.sub(1, gates), slope))), gradient);
}

/**
 * Updates a running mean of squared gradients.
 *
 * @param mean written in place
 * @param gradient the newest gradient
 * @param decay weight of the old mean
 */
export function trackSquares(mean: tf.Variable, gradient: tf.Tensor, decay: number): void {
  if (activeSimd()) {
    runOwnKernel('NeuralDiffTrackSquares', { mean, gradient }, { decay });
    return;
  }
  tf.tidy(() => {
    mean.assign(tf.add(tf.mul(mean, decay), tf.mul(tf.square(gradient), 1 - decay)));
  });
}

/** Registers the kernels behind these functions. */
export function registerGateKernels(): void {
  registerOwnKernel('NeuralDiffOpenGates', runOpen);
  registerOwnKernel('NeuralDiffAddGated', runAdd);
  registerOwnKernel('NeuralDiffPullGated', runPull);
  registerOwnKernel('NeuralDiffTrackSquares', runTrack);
}

type OpenCall = KernelCall<'gates' | 'change', { logThreshold: number; inverseTemperature: number }> & {
  readonly inputs: { readonly fisher?: tf.TensorInfo };
};

function runOpen({ inputs, attrs }: OpenCall, simd: Simd): tf.TensorInfo[] {
  const fisher = inputs.fisher ? simd.pointer(inputs.fisher) : 0;
  const change = simd.pointer(inputs.change);
  const { logThreshold, inverseTemperature } = attrs;
  const gates = simd.pointer(inputs.gates);
  simd.run.openGates(sizeOf(inputs.change.shape), change, fisher, logThreshold, inverseTemperature, gates);
  return [];
}

function runAdd(
  { inputs, backend }: KernelCall<'base' | 'gates' | 'change', unknown>,
  simd: Simd,
): tf.TensorInfo[] {
  const out = allocateFloats(backend, inputs.base.shape);
  const tensors = [inputs.base, inputs.gates, inputs.change, out];
  simd.run.addGated(sizeOf(out.shape), ...tensors.map((tensor) => simd.pointer(tensor)));
  return [out];
}

function runPull(
  { inputs, backend, attrs }: KernelCall<'gates' | 'gradient', { slope: number }>,
  simd: Simd,
): tf.TensorInfo[] {
  const out = allocateFloats(backend, inputs.gradient.shape);
  const [gates, gradient] = [simd.pointer(inputs.gates), simd.pointer(inputs.gradient)];
  simd.run.pullGated(sizeOf(out.shape), gates, gradient, attrs.slope, simd.pointer(out));
  return [out];
}

function runTrack(
  { inputs, attrs: { decay } }: KernelCall<'mean' | 'gradient', { decay: number }>,
  simd: Simd,
): tf.TensorInfo[] {
  const [mean, gradient] = [simd.pointer(inputs.mean), simd.pointer(inputs.gradient)];
  simd.run.trackSquares(sizeOf(inputs.mean.shape), mean, gradient, decay, 1 - decay);
  return [];
}
