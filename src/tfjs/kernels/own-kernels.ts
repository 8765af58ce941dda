import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from './backend.js';
import { type Simd, simdOf } from './simd/module.js';

/** @returns the SIMD kernels when the active backend is one that has them, and they are registered */
export function activeSimd(): Simd | undefined {
  if (tf.getBackend() !== 'wasm' || !tf.getKernel('NeuralDiffAddAt', 'wasm')) return undefined;
  return simdOf(tf.backend() as unknown as WasmBackend);
}

/** Runs a kernel of this room; it exists on the wasm backend alone. */
export function runOwnKernel(
  name: OwnKernel,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attrs: object = {},
): tf.Tensor[] {
  const outputs: tf.Tensor | tf.Tensor[] = tf
    .engine()
    .runKernel(name, { ...inputs }, { ...attrs } as tf.NamedAttrMap);
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** Kernels that have no counterpart in TensorFlow.js. */
export type OwnKernel =
  | 'NeuralDiffGru'
  | 'NeuralDiffGruGradient'
  | 'NeuralDiffLstm'
  | 'NeuralDiffLstmGradient'
  | 'NeuralDiffMoments'
  | 'NeuralDiffBatchNormGradient'
  | 'NeuralDiffAdam'
  | 'NeuralDiffAddHashed'
  | 'NeuralDiffSumHashed'
  | 'NeuralDiffAddAt'
  | 'NeuralDiffTakeAt'
  | 'NeuralDiffOpenGates'
  | 'NeuralDiffAddGated'
  | 'NeuralDiffPullGated'
  | 'NeuralDiffTrackSquares';

/** Registers a kernel of this room. */
export function registerOwnKernel<Call>(
  kernelName: OwnKernel,
  kernel: (call: Call, simd: Simd) => tf.TensorInfo[],
): void {
  if (tf.getKernel(kernelName, 'wasm')) return;
  const kernelFunc = (call: Call & { backend: WasmBackend }) => kernel(call, simdOf(call.backend) as Simd);
  tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernelFunc as unknown as tf.KernelFunc });
}
