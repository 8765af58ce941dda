import { beforeAll, expect, test } from 'vitest';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { openOnnxNetwork } from '../../src/onnx/network.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { INPUT, mixedFiles, rawFiles } from '../runtimes/onnx-model.js';
import { expectGradients, expectLikeRuntime } from './compare.js';
import { randomTensor } from './graphs.js';

beforeAll(() => useBackend('wasm'));

const networkOf = (files: ReturnType<typeof rawFiles>) =>
  openOnnxNetwork(openMemoryFiles(new Map(Object.entries(files))), 'model.onnx');

test('the model that is patched for ONNX Runtime gives the same outputs, and has gradients', async () => {
  const network = await networkOf(rawFiles(1));
  for (let seed = 1; seed <= 3; seed++) {
    const x = randomTensor(INPUT.shape, seed);
    await expectLikeRuntime(network, rawFiles(1)['model.onnx'] as Uint8Array, [x]);
    expectGradients(network, [x]);
  }
  network.dispose();
});

test('the ways in which a model is written give the same outputs', async () => {
  const [raw, mixed] = [await networkOf(rawFiles(1)), await networkOf(mixedFiles(1))];
  const x = randomTensor(INPUT.shape, 5);
  const [first, second] = [raw, mixed].map((each) => each.run([x], ['y'])[0]?.dataSync());
  expect(first).toEqual(second);
  raw.dispose();
  mixed.dispose();
});
