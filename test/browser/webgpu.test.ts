import { beforeAll, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadModel, modelFiles } from '../../src/tfjs/layers-files.js';
import { PARTS } from '../train/sample-parts.js';
import { bundleForBrowser } from './bundle.js';
import { type Computed, computePart } from './parts-on-webgpu.js';
import { useChromium } from './session.js';
import { accuracyOf, createModel, LAYERS, type Trained } from './train-on-webgpu.js';

const session = useChromium(async () => ({
  bundle: await bundleForBrowser('train-on-webgpu.ts'),
  files: [],
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

  test('reads no tensor synchronously', async () => {
    expect(await inPage('readsSynchronously')).toBe(false);
  });
});
