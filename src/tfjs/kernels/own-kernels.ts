import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from './backend.js';
import { type Simd, simdOf } from './simd/module.js';

/** @returns the SIMD kernels if they are registered and the active backend supports them */
export function activeSimd(): Simd | undefined {
  if (tf.getBackend() !== 'wasm' || !tf.getKernel('NeuralDiffAddAt', 'wasm')) return undefined;
  return simdOf(tf.backend() as unknown as WasmBackend);
}

/** Runs one of the package's own kernels; they exist only on the wasm backend. */
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

/** Kernels without a counterpart in TensorFlow.js. */
export type OwnKernel =
  | 'NeuralDiffGru'
  | 'NeuralDiffGruGradient'
  | 'NeuralDiffGruAfter'
  | 'NeuralDiffGruAfterGradient'
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

/** Registers one of the package's own kernels. */
export function registerOwnKernel<Call>(
  kernelName: OwnKernel,
  kernel: (call: Call, simd: Simd) => tf.TensorInfo[],
): void {
  if (tf.getKernel(kernelName, 'wasm')) return;
  const kernelFunc = (call: Call & { backend: WasmBackend }) => kernel(call, simdOf(call.backend) as Simd);
  tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernelFunc as unknown as tf.KernelFunc });
}
