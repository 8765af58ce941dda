import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { packDiff } from '../../src/payload/encode.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';
import { codeOf } from '../support.js';
import { graphFiles } from '../train/graph-task.js';

const load = (files: Map<string, Uint8Array>) => loadGraphModel(openMemoryFiles(files));

const predict = (model: tf.GraphModel): number[] =>
  tf.tidy(() => {
    const [, logits] = model.execute(tf.randomNormal([2, 8, 8, 1], 0, 1, 'float32', 11), [
      'probabilities',
      'logits',
    ]) as tf.Tensor[];
    return [...(logits as tf.Tensor).dataSync()];
  });

/** Changes the filters of every kind of layer, in the files and in the payload. */
async function updateOf(files: Map<string, Uint8Array>) {
  const store = await openLayersStore(openMemoryFiles(files));
  const tensors = ['dense/kernel', 'depth/kernel', 'stem/kernel'].map((tensor) => ({ tensor, scale: 0.5 }));
  const buckets = { coding: 'levels', values: Int8Array.from([1, -1, 1, 1, -1]) } as const;
  return packDiff(await copyModel(store), { ops: [{ kind: 'hash', tensors, seed: 9, block: 4, buckets }] });
}

describe.each(['cpu', 'wasm'] as const)('openLiveModel() of a GraphModel on %s', (backend) => {
  test('lists what its folder does, and predicts with patched weights at once', async () => {
    await useBackend(backend);
    const files = graphFiles();
    const model = await load(files);
    const before = predict(model);
    const folder = await openLayersStore(openMemoryFiles(files));
    const live = openLiveModel(model);
    expect(live.tensors).toEqual(folder.tensors);
    expect(await fingerprint(live)).toBe(await fingerprint(folder));
    const { payload, next } = await updateOf(files);
    await applyPayload(live, payload);
    await applyPayload(folder, payload);
    expect(await fingerprint(live)).toBe(next);
    const again = await load(files);
    expect(predict(model)).not.toEqual(before);
    expect(predict(model)).toEqual(predict(again));
    model.dispose();
    again.dispose();
  });
});

test('openLiveModel() keeps no tensors of a GraphModel that is disposed of', async () => {
  await useBackend('wasm');
  const files = graphFiles();
  const before = tf.memory().numTensors;
  const model = await load(files);
  openLiveModel(model);
  openLiveModel(model);
  model.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('openLiveModel() refuses a GraphModel with quantised files', async () => {
  await useBackend('wasm');
  const model = await load(graphFiles('uint8'));
  expect(await codeOf(async () => openLiveModel(model))).toBe('unsupported-model');
  model.dispose();
});
