import type * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openLayersStore } from '../../src/model/layers-store.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { graphWeights } from '../../src/tfjs/graph/graph-weights.js';
import { createTask } from '../../src/train/create-task.js';
import { graphFiles, loadGraph, pictures } from './graph-task.js';

const OPTIONS = { epochs: 6, fineTune: { epochs: 3 }, batchSize: 16, seed: 3 } as const;
const LOSS = { loss: 'sparseCategoricalCrossentropy', outputs: ['probabilities'] } as const;

const kernelOf = async (model: tf.GraphModel) => {
  const found = graphWeights(model).find(({ name }) => name === 'dense/kernel');
  return (await found?.variable.data())?.slice();
};

/** What a model gets right of a set. */
async function accuracyOf(files: Map<string, Uint8Array>, data: ReturnType<typeof pictures>) {
  const model = await loadGraph(files);
  const { accuracy } = await createTask(model, LOSS).evaluate(data);
  model.dispose();
  return accuracy as number;
}

test.each([
  ['float32', trainSparseDiff],
  ['float32', trainHashDiff],
  ['float16', trainHashDiff],
  ['uint8', trainSparseDiff],
  ['uint8', trainHashDiff],
] as const)('a GraphModel in %s, trained, patched in its folder and loaded again', async (storage, train) => {
  const files = graphFiles(storage);
  const model = await loadGraph(files);
  const [data, validation] = [pictures(256, 5), pictures(128, 6)];
  const task = createTask(model, LOSS);
  const before = await kernelOf(model);
  const diff = await train({ ...OPTIONS, task, train: data, validation, budget: 900 });
  expect(await kernelOf(model)).toEqual(before);
  expect(diff.payload.length).toBeLessThanOrEqual(900);
  const store = await openLayersStore(openMemoryFiles(files));
  await applyPayload(store, diff.payload);
  expect(await fingerprint(store)).toBe(diff.next);
  expect(await accuracyOf(files, validation)).toBe(diff.metrics.diff.accuracy);
  expect(diff.metrics.diff.accuracy).toBeGreaterThan((diff.metrics.base.accuracy as number) + 0.2);
  model.dispose();
});
