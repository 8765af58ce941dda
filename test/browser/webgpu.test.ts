import { beforeAll, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadModel, modelFiles } from '../../src/tfjs/layers-files.js';
import { onnxFile } from '../onnx/graphs.js';
import { PARTS } from '../train/sample-parts.js';
import { bundleForBrowser } from './bundle.js';
import { type Computed, computePart } from './parts-on-webgpu.js';
import { useChromium } from './session.js';
import { accuracyOf, createModel, LAYERS, type Trained } from './train-on-webgpu.js';

/** A graph for one example at a time, one of whose shapes is computed. */
const ONNX = onnxFile({
  inputs: { signal: [1, 24] },
  weights: {
    first: { shape: [16, 24] },
    offset: { shape: [16] },
    last: { shape: [16, 4] },
    two: { shape: [], values: [2] },
    ones: { shape: [2], values: [1, 1], dtype: 'int64' },
  },
  nodes: [
    ['Gemm', { inputs: ['signal', 'first', 'offset'], outputs: ['a'], attributes: { transB: 1 } }],
    ['Relu', { inputs: ['a'], outputs: ['b'] }],
    ['Shape', { inputs: ['a'], outputs: ['shape'] }],
    ['Div', { inputs: ['shape', 'ones'], outputs: ['same'] }],
    ['Reshape', { inputs: ['b', 'same'], outputs: ['c'] }],
    ['MatMul', { inputs: ['c', 'last'], outputs: ['d'] }],
    ['Div', { inputs: ['d', 'two'], outputs: ['logits'] }],
    ['Softmax', { inputs: ['logits'], outputs: ['probabilities'], attributes: { axis: -1 } }],
  ],
  outputs: ['probabilities'],
});

const session = useChromium(async () => ({
  bundle: await bundleForBrowser('train-on-webgpu.ts'),
  files: [['model.onnx', ONNX]],
}));

const inPage = <T>(name: string, argument: string | number = '') =>
  session.page.evaluate<T>(`device.${name}(${JSON.stringify(argument)})`);

/** Without an adapter this fails: a suite that skips itself proves nothing. */
beforeAll(async () => {
  expect(await inPage('startDevice')).toBe('swiftshader');
  await useBackend('cpu');
});

describe('a part on webgpu in a page of Chromium', () => {
  test.each(Object.keys(PARTS))(
    'materialises the same bits as its packed ops, and pulls back as on the cpu: %s',
    async (name) => {
      const found = await inPage<Computed>('computePart', name);
      expect(found).toMatchObject({ differences: 0, leaked: 0 });
      const { pulled } = await computePart(name);
      expect(found.pulled).toEqual(pulled.map((value) => expect.closeTo(value, 4)));
    },
  );

  test.each(['float16', 'bfloat16', 'int8'])('rounds to %s as JavaScript does', async (dtype) => {
    expect(await inPage('roundDifferently', dtype)).toBe(0);
  });
});

/** From here on, float32 does not have all integers. */
const LAST = 2 ** 24;

test('addAt() and takeAt() reach each element of large tensors on webgpu, or refuse them', async () => {
  expect(await inPage('touchLast', LAST + 2)).toEqual([1, 2, 3]);
  expect(await inPage('touchLast', LAST + 1)).toBe('unsupported-model');
});

/** Examples of the validation set that another backend may classify in another way. */
const UNDECIDED = 1 / 96;

describe('training on webgpu in a page of Chromium', () => {
  test.each(Object.keys(LAYERS))(
    'gives a payload that patches the files of a LayersModel: %s',
    async (name) => {
      const found = await inPage<Trained>('trainLayers', name);
      expect(found.applied).toBe(found.next);
      expect(found.again).toBe(found.after);
      expect(found.after).toBeGreaterThan(found.before + 0.3);
      const files = openMemoryFiles(await modelFiles(createModel()));
      const store = await openLayersStore(files);
      expect(await fingerprint(store)).toBe(found.base);
      const patched = await applyPayload(store, Buffer.from(found.payload, 'hex'));
      expect(patched.fingerprint).toBe(found.next);
      const accuracy = await accuracyOf(await loadModel(files));
      expect(Math.abs(accuracy - found.after)).toBeLessThanOrEqual(UNDECIDED + 1e-6);
    },
  );

  test.each(['float16', 'int8'])('gives a payload for a device that stores %s', async (dtype) => {
    const found = await inPage<Trained>('trainDevice', dtype);
    expect(found.applied).toBe(found.next);
    expect(found.after).toBeGreaterThan(found.before + 0.3);
  });

  test.each([
    ['an ONNX file', 'trainOnnx'],
    ['a GraphModel in use', 'trainGraph'],
  ])('gives payloads that patch %s', async (_model, train) => {
    const trained = await inPage<Trained[]>(train, `${session.server.origin}/model.onnx`);
    expect(trained.length).toBeGreaterThan(0);
    for (const { applied, next, before, after, again } of trained) {
      expect(applied).toBe(next);
      expect(again).toBe(after);
      expect(after).toBeGreaterThan(before + 0.2);
    }
  });

  test('reads no tensor synchronously', async () => {
    expect(await inPage('readsSynchronously')).toBe(false);
  });
});
