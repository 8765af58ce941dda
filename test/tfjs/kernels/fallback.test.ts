import * as tf from '@tensorflow/tfjs';
import { registerTrainingKernels } from '../../../src/tfjs/kernels/register.js';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, expect, test, vi } from 'vitest';

afterAll(() => vi.unstubAllGlobals());

test('registerTrainingKernels() trains without SIMD where compiling is forbidden', async () => {
  await tf.setBackend('wasm');
  await tf.ready();
  const forbidden = vi.fn(() => {
    throw new WebAssembly.CompileError('blocked by policy');
  });
  vi.stubGlobal('WebAssembly', { ...WebAssembly, Module: forbidden, CompileError: WebAssembly.CompileError });
  registerTrainingKernels();
  const { kernelNames, result } = await tf.profile(() => {
    const layer = tf.layers.gru({ units: 2, kernelInitializer: 'ones', recurrentInitializer: 'ones' });
    return layer.apply(tf.ones([1, 3, 2])) as tf.Tensor;
  });
  expect(forbidden).toHaveBeenCalledOnce();
  expect(kernelNames.filter((name) => name.startsWith('NeuralDiff'))).toEqual([]);
  expect((result as tf.Tensor).shape).toEqual([1, 2]);
  const product = tf.matMul(tf.ones([20, 9]), tf.ones([3, 9]), false, true);
  expect(Array.from(product.dataSync())).toEqual(new Array(60).fill(9));
});
