import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { type PackedDiff, packDiff } from '../../src/payload/encode.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { modelFiles } from '../../src/tfjs/layers-files.js';
import { copyWeights, namedWeights } from '../../src/tfjs/weights.js';
import { bundleForBrowser, wasmProgram } from './bundle.js';
import { type LivePatch, patchLiveModel } from './patch-live-model.js';
import { useChromium } from './session.js';

let packed: PackedDiff;

const session = useChromium(async () => {
  await useBackend('cpu');
  const model = createModel();
  packed = await packUpdate(model);
  const files = new Map([['live.ndiff', packed.payload], wasmProgram()]);
  for (const [path, bytes] of await modelFiles(model)) files.set(`model/${path}`, bytes);
  return { bundle: await bundleForBrowser('patch-live-model.ts'), files };
});

/** A convolution and a dense layer: the kinds whose weights backends keep packed copies of. */
function createModel(): tf.Sequential {
  const kernelInitializer = tf.initializers.randomNormal({ seed: 3 });
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 2], filters: 4, kernelSize: 3, name: 'conv', kernelInitializer }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, name: 'head', kernelInitializer }),
    ],
  });
}

async function packUpdate(model: tf.LayersModel): Promise<PackedDiff> {
  const tensors = ['conv/kernel', 'head/kernel'].map((tensor) => ({ tensor, scale: 0.5 }));
  const buckets = { coding: 'levels', values: Int8Array.of(1, -1, 1, 1, -1) } as const;
  return packDiff(await copyWeights(namedWeights(model)), {
    ops: [
      { kind: 'hash', tensors, seed: 9, block: 4, buckets },
      { kind: 'dense', tensor: 'head/bias', scale: 0.25, levels: Int8Array.of(3, -7, 1) },
    ],
  });
}

/** Floats of 16 bits give a digit less. */
const nearly = (values: readonly number[], digits: number) =>
  values.map((value) => expect.closeTo(value, digits));

describe.each([
  ['cpu', 3],
  ['wasm', 3],
  ['webgl', 3],
  ['webgl-16', 1],
  ['webgpu', 3],
] as const)('openLiveModel() in a page of Chromium on %s', (backend, digits) => {
  test('is patched while in use: the weights are bit-exact, the predictions those of the next model', async () => {
    const { origin } = session.server;
    await session.page.goto(`${origin}/index.html`);
    const call = `device.patchLiveModel(${JSON.stringify(origin)}, "${backend}")`;
    const found = await session.page.evaluate<LivePatch>(call);
    const inNode = await patchLiveModel(origin, 'cpu');
    expect(found.backend).toBe(backend.replace('-16', ''));
    expect(found.fingerprint).toBe(packed.next);
    expect(found.fingerprint).toBe(inNode.fingerprint);
    expect(found.again).toBe(backend === 'webgl-16' ? 'unsupported-model' : packed.next);
    expect(found.before).toEqual(nearly(inNode.before, digits));
    expect(found.after).toEqual(nearly(inNode.after, digits));
    expect(found.after).not.toEqual(nearly(inNode.before, digits));
  });
});
