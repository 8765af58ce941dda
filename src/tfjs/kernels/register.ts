import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from './backend.js';
import { batchNorm } from './composed/batch-norm.js';
import { conv2dFilterGradient, conv2dInputGradient } from './composed/conv2d.js';
import { depthwiseFilterGradient, depthwiseInputGradient } from './composed/depthwise.js';
import { batchMatMul } from './composed/mat-mul.js';
import { maxPoolGradient } from './composed/max-pool.js';
import { mean, sum, tile, unsortedSegmentSum } from './composed/reduce.js';
import { registerGateKernels } from './diff/gates.js';
import { registerHashKernels } from './diff/hashed.js';
import { registerSparseKernels } from './diff/sparse.js';
import { overrideAdam } from './layers/adam.js';
import { overrideBatchNorm } from './layers/batch-norm.js';
import { overrideRecurrentLayers } from './layers/recurrent.js';
import {
  simdAveragePoolGradient,
  simdConv,
  simdConvFilterGradient,
  simdConvInputGradient,
  simdDepthwiseFilterGradient,
  simdDepthwiseInputGradient,
  simdMaxPoolGradient,
} from './simd/convolution.js';
import { simdBatchNorm, simdMatMul, simdMean, simdSum } from './simd/linear.js';
import { type Simd, simdOf } from './simd/module.js';

/** Marks a registered kernel as one of this room, whichever copy of the package put it there. */
const MARK = Symbol.for('neural-diff.training-kernel');

/** How training kernels are chosen. */
export interface KernelOptions {
  /** `false` keeps to kernels composed of the backend's own; by default SIMD is used where it runs. */
  readonly simd?: boolean;
}

/**
 * Completes the wasm backend of tfjs for training: adds the kernels that it lacks and replaces those that crawl. The
 * first call of a process decides; others change nothing.
 *
 * With SIMD it also replaces, on their classes, how GRU, LSTM and batch norm layers run and how Adam steps, and the
 * gradient of batch norms. These do as before for whatever they do not cover and while another backend is active; the
 * kernels of other backends stay as they are.
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
export function registerTrainingKernels({ simd = true }: KernelOptions = {}): void {
  if (tf.findBackendFactory('wasm') === null) {
    throw new Error(
      'Cannot register training kernels: expected the backend "wasm" of "@tensorflow/tfjs-backend-wasm", which is not registered',
    );
  }
  const first = tf.getKernel('Conv2DBackpropFilter', 'wasm') as tf.KernelConfig | undefined;
  if (first && MARK in first) return;
  const register = <Call extends AnyCall>(kernelName: string, kernels: Kernels<Call>) =>
    registerKernel(kernelName, simd ? kernels : { ...kernels, simd: undefined });
  register('Conv2D', { simd: simdConv });
  register('FusedConv2D', { simd: simdConv });
  register('Conv2DBackpropFilter', { composed: conv2dFilterGradient, simd: simdConvFilterGradient });
  register('Conv2DBackpropInput', { composed: conv2dInputGradient, simd: simdConvInputGradient });
  register('DepthwiseConv2dNativeBackpropFilter', {
    composed: depthwiseFilterGradient,
    simd: simdDepthwiseFilterGradient,
  });
  register('DepthwiseConv2dNativeBackpropInput', {
    composed: depthwiseInputGradient,
    simd: simdDepthwiseInputGradient,
  });
  register('BatchMatMul', { composed: batchMatMul, simd: simdMatMul });
  register('Sum', { composed: sum, simd: simdSum });
  register('Mean', { composed: mean, simd: simdMean });
  register('FusedBatchNorm', { composed: batchNorm, simd: simdBatchNorm });
  register('MaxPoolGrad', { composed: maxPoolGradient, simd: simdMaxPoolGradient });
  register('AvgPoolGrad', { simd: simdAveragePoolGradient });
  register('Tile', { composed: tile });
  register('UnsortedSegmentSum', { composed: unsortedSegmentSum });
  if (!simd) return;
  registerHashKernels();
  registerSparseKernels();
  registerGateKernels();
  overrideAdam();
  overrideBatchNorm();
  overrideRecurrentLayers();
}

interface AnyCall {
  readonly backend: WasmBackend;
}

type Kernel<Call> = (call: Call) => tf.TensorInfo;

/**
 * Two ways to compute the same: one composed of stock kernels, the stock kernel itself unless given; one of the
 * WebAssembly module, with the first to fall back on.
 */
interface Kernels<Call> {
  readonly composed?: (call: Call, stock: Kernel<Call>) => tf.TensorInfo;
  readonly simd?: ((call: Call, simd: Simd, otherwise: Kernel<Call>) => tf.TensorInfo) | undefined;
}

/** The engine types every kernel alike; the names above tie each to its inputs and attributes. */
function registerKernel<Call extends AnyCall>(kernelName: string, { composed, simd }: Kernels<Call>): void {
  if (!composed && !simd) return;
  const stock = tf.getKernel(kernelName, 'wasm') as tf.KernelConfig | undefined;
  const stockFunc = stock?.kernelFunc as unknown as Kernel<Call>;
  const withoutSimd = composed ? (call: Call) => composed(call, stockFunc) : stockFunc;
  const kernel = (call: Call): tf.TensorInfo => {
    const found = simd && simdOf(call.backend);
    return found ? simd(call, found, withoutSimd) : withoutSimd(call);
  };
  const kernelFunc = kernel as unknown as tf.KernelFunc;
  if (stock) tf.unregisterKernel(kernelName, 'wasm');
  const config = { ...stock, kernelName, backendName: 'wasm', kernelFunc, [MARK]: true };
  tf.registerKernel(config);
}
