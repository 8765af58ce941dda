import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from './backend.js';
import { batchNorm } from './composed/batch-norm.js';
import { conv2dFilterGradient, conv2dInputGradient } from './composed/conv2d.js';
import { depthwiseFilterGradient, depthwiseInputGradient } from './composed/depthwise.js';
import { gather } from './composed/gather.js';
import { identity, transpose } from './composed/identity.js';
import { batchMatMul } from './composed/mat-mul.js';
import { maxPoolGradient } from './composed/max-pool.js';
import { mean, sum, tile, unsortedSegmentSum } from './composed/reduce.js';
import { registerGateKernels } from './diff/gates.js';
import { registerHashKernels } from './diff/hashed.js';
import { registerSparseKernels } from './diff/sparse.js';
import { overrideAdam } from './layers/adam.js';
import { overrideBatchNorm } from './layers/batch-norm.js';
import { overrideClippedGradients } from './layers/clipped.js';
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
import { simdBatchNorm, simdFusedMatMul, simdMatMul, simdMean, simdSum } from './simd/linear.js';
import { type Simd, simdOf } from './simd/module.js';

/** Marks a kernel as registered by this package, by any copy of it. */
const MARK = Symbol.for('neural-diff.training-kernel');

/** Options of `registerTrainingKernels`. */
export interface KernelOptions {
  /** `false` uses only kernels composed of the backend's own; by default SIMD is used if available. */
  readonly simd?: boolean;
}

/**
 * Completes the wasm backend of tfjs for training: adds missing kernels and replaces slow ones. Only the
 * first call in a process has an effect.
 *
 * With SIMD it also replaces, on their classes, the forward passes of GRU, LSTM and batch norm layers, the
 * steps of Adam, and the gradients of batch norms, rectifiers and clips. Unsupported cases and other backends
 * use the original code; kernels of other backends are not changed.
 *
 * @throws Error if the wasm backend is not registered
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
  register('_FusedMatMul', { simd: simdFusedMatMul });
  register('Sum', { composed: sum, simd: simdSum });
  register('Mean', { composed: mean, simd: simdMean });
  register('FusedBatchNorm', { composed: batchNorm, simd: simdBatchNorm });
  register('MaxPoolGrad', { composed: maxPoolGradient, simd: simdMaxPoolGradient });
  register('AvgPoolGrad', { simd: simdAveragePoolGradient });
  register('GatherV2', { composed: gather });
  register('Tile', { composed: tile });
  register('Identity', { composed: identity });
  register('Transpose', { composed: transpose });
  register('UnsortedSegmentSum', { composed: unsortedSegmentSum });
  if (!simd) return;
  registerHashKernels();
  registerSparseKernels();
  registerGateKernels();
  overrideAdam();
  overrideBatchNorm();
  overrideClippedGradients();
  overrideRecurrentLayers();
}

interface AnyCall {
  readonly backend: WasmBackend;
}

type Kernel<Call> = (call: Call) => tf.TensorInfo;

/**
 * Two implementations: one composed of stock kernels (by default the stock kernel itself), and one of the
 * WebAssembly module, which may fall back on the first.
 */
interface Kernels<Call> {
  readonly composed?: (call: Call, stock: Kernel<Call>) => tf.TensorInfo;
  readonly simd?: ((call: Call, simd: Simd, otherwise: Kernel<Call>) => tf.TensorInfo) | undefined;
}

/** The engine types all kernels alike; the names above tie each to its inputs and attributes. */
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
