import * as tf from '@tensorflow/tfjs';
import type { TrainingKernel } from './backend.js';
import { batchMatMul } from './batch-mat-mul.js';
import { conv2dFilterGradient } from './conv2d-filter-gradient.js';
import { conv2dInputGradient } from './conv2d-input-gradient.js';
import { depthwiseFilterGradient } from './depthwise-filter-gradient.js';
import { depthwiseInputGradient } from './depthwise-input-gradient.js';
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
  register('Tile', tile);
  register('UnsortedSegmentSum', unsortedSegmentSum);
}

function register<Input extends string, Attrs>(
  kernelName: string,
  kernel: TrainingKernel<Input, Attrs>,
): void {
  const stock = tf.getKernel(kernelName, 'wasm') as tf.KernelConfig | undefined;
  if (stock && MARK in stock) return;
  // The engine types every kernel alike; the names above tie each to its inputs and attributes.
  const kernelFunc = ((call: Parameters<typeof kernel>[0]) =>
    kernel(call, stock?.kernelFunc as unknown as Parameters<typeof kernel>[1])) as unknown as tf.KernelFunc;
  if (stock) tf.unregisterKernel(kernelName, 'wasm');
  const config = { ...stock, kernelName, backendName: 'wasm', kernelFunc, [MARK]: true };
  tf.registerKernel(config);
}
