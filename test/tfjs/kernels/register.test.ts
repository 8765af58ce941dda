import * as tf from '@tensorflow/tfjs';
import { registerTrainingKernels } from '../../../src/tfjs/kernels/register.js';
import '@tensorflow/tfjs-backend-wasm';
import { expect, test } from 'vitest';

const kernelFuncs = (backend: string) =>
  new Map(tf.getKernelsForBackend(backend).map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]));

const differing = (before: Map<string, tf.KernelFunc>, after: Map<string, tf.KernelFunc>) =>
  [...after.keys()].filter((name) => after.get(name) !== before.get(name)).sort();

test('registerTrainingKernels() changes kernels of the wasm backend alone, and once', () => {
  const [cpu, webgl, wasm] = [kernelFuncs('cpu'), kernelFuncs('webgl'), kernelFuncs('wasm')];
  registerTrainingKernels();
  expect(differing(cpu, kernelFuncs('cpu'))).toEqual([]);
  expect(differing(webgl, kernelFuncs('webgl'))).toEqual([]);
  const registered = kernelFuncs('wasm');
  expect(differing(wasm, registered)).toEqual([
    'AvgPoolGrad',
    'BatchMatMul',
    'Conv2D',
    'Conv2DBackpropFilter',
    'Conv2DBackpropInput',
    'DepthwiseConv2dNativeBackpropFilter',
    'DepthwiseConv2dNativeBackpropInput',
    'FusedBatchNorm',
    'FusedConv2D',
    'GatherV2',
    'Identity',
    'MaxPoolGrad',
    'Mean',
    'NeuralDiffAdam',
    'NeuralDiffAddAt',
    'NeuralDiffAddGated',
    'NeuralDiffAddHashed',
    'NeuralDiffBatchNormGradient',
    'NeuralDiffClippedGradient',
    'NeuralDiffGru',
    'NeuralDiffGruAfter',
    'NeuralDiffGruAfterGradient',
    'NeuralDiffGruGradient',
    'NeuralDiffLstm',
    'NeuralDiffLstmGradient',
    'NeuralDiffMoments',
    'NeuralDiffOpenGates',
    'NeuralDiffPullGated',
    'NeuralDiffQuantiseBuckets',
    'NeuralDiffSumHashed',
    'NeuralDiffTakeAt',
    'NeuralDiffTrackSquares',
    'Sum',
    'Tile',
    'Transpose',
    'UnsortedSegmentSum',
    '_FusedMatMul',
  ]);
  registerTrainingKernels();
  expect(differing(registered, kernelFuncs('wasm'))).toEqual([]);
});

test('registerTrainingKernels() changes nothing once it has been called otherwise', () => {
  const before = kernelFuncs('wasm');
  registerTrainingKernels({ simd: false });
  expect(differing(before, kernelFuncs('wasm'))).toEqual([]);
});

test('registerTrainingKernels() may be called before the backend has started', async () => {
  registerTrainingKernels();
  await tf.setBackend('wasm');
  const product = tf.matMul(tf.tensor2d([1, 2], [1, 2]), tf.tensor2d([3, 4], [1, 2]), false, true);
  expect(product.arraySync()).toEqual([[11]]);
});

test('registerTrainingKernels() leaves the names of layers to come alone', () => {
  registerTrainingKernels();
  const layers = [tf.layers.gru({ units: 1 }), tf.layers.lstm({ units: 1 }), tf.layers.batchNormalization()];
  expect(layers.map(({ name }) => name)).toEqual([
    'gru_GRU1',
    'lstm_LSTM1',
    'batch_normalization_BatchNormalization1',
  ]);
});
