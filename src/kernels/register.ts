import * as tf from '@tensorflow/tfjs';
import { batchMatMul } from './batch-mat-mul.js';
import { batchNorm } from './batch-norm.js';
import { conv2dFilterGradient } from './conv2d-filter-gradient.js';
import { conv2dInputGradient } from './conv2d-input-gradient.js';
import { depthwiseFilterGradient } from './depthwise-filter-gradient.js';
import { depthwiseInputGradient } from './depthwise-input-gradient.js';
import { maxPoolGradient } from './max-pool-gradient.js';
import { mean, sum } from './reduce.js';
import { unsortedSegmentSum } from './segment-sum.js';
import { tile } from './tile.js';

/** Marks a registered kernel as one of this room, whichever copy of the package put it there. */
const MARK = Symbol.for('neural-diff.training-kernel');

/**
 * Completes the wasm backend of tfjs for training: adds the kernels that it lacks and replaces those that crawl.
 * Other backends keep their kernels. A second call changes nothing.
 *
 * @throws Error when the wasm backend is not registered.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import '@tensorflow/tfjs-backend-wasm';
 *
 * await tf.setBackend('wasm');
 * registerTrainingKernels();
 * ```
 */
export function registerTrainingKernels(): void {
  if (tf.findBackendFactory('wasm') === null) {
    throw new Error(
      'Cannot register training kernels: expected the backend "wasm" of "@tensorflow/tfjs-backend-wasm", which is not registered',
    );
  }
  register('Conv2DBackpropFilter', conv2dFilterGradient);
  register('Conv2DBackpropInput', conv2dInputGradient);
  register('DepthwiseConv2dNativeBackpropFilter', depthwiseFilterGradient);
  register('DepthwiseConv2dNativeBackpropInput', depthwiseInputGradient);
  register('BatchMatMul', batchMatMul);
  register('Sum', sum);
  register('Mean', mean);
  register('FusedBatchNorm', batchNorm);
  register('MaxPoolGrad', maxPoolGradient);
  register('Tile', tile);
  register('UnsortedSegmentSum', unsortedSegmentSum);
}

/** The engine types every kernel alike; the names above tie each to its inputs and attributes. */
function register<Call>(
  kernelName: string,
  kernel: (call: Call, stock: (call: Call) => tf.TensorInfo) => tf.TensorInfo,
): void {
  const stock = tf.getKernel(kernelName, 'wasm') as tf.KernelConfig | undefined;
  if (stock && MARK in stock) return;
  const stockFunc = stock?.kernelFunc as unknown as (call: Call) => tf.TensorInfo;
  const kernelFunc = ((call: Call) => kernel(call, stockFunc)) as unknown as tf.KernelFunc;
  if (stock) tf.unregisterKernel(kernelName, 'wasm');
  const config = { ...stock, kernelName, backendName: 'wasm', kernelFunc, [MARK]: true };
  tf.registerKernel(config);
}
