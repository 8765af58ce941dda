import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { labelsOf } from '../../../examples/fine-tune-any-model/pictures.js';
import {
  drawBatch,
  LOGITS,
  measureAccuracy,
  TRAINED,
  toFeatures,
  trainedPart,
  unpackModel,
} from '../../../examples/published-pictures/model.js';
import { loadGraphModel, useBackend } from '../../../src/entries/tfjs.js';
import { createTask } from '../../../src/entries/train.js';
import { openMemoryFiles } from '../../../src/model/model-files.js';

beforeAll(() => useBackend('wasm'));

test('trainedPart() continues where the layers end that stay as they are', async () => {
  const files = await unpackModel();
  const whole = await loadGraphModel(openMemoryFiles(files));
  const set = { seed: 1, first: 0, count: 2 };
  const seen: number[] = [];
  const features = await toFeatures(whole, set, (done) => seen.push(done));
  expect(seen).toEqual([2]);
  const part = await loadGraphModel(openMemoryFiles(trainedPart(files)));
  const task = createTask(part, { loss: 'categoricalCrossentropy', outputs: [LOGITS], outputKind: 'logits' });
  const [logits] = task.outputs([features]);
  const [found, expected] = [logits as tf.Tensor, whole.execute(drawBatch(set), LOGITS) as tf.Tensor];
  expect(tf.max(tf.abs(tf.sub(found, expected))).dataSync()[0]).toBeLessThan(1e-3);
  const hits = tf.equal(tf.argMax(expected, -1), tf.tensor1d(labelsOf(set), 'int32'));
  expect(measureAccuracy(whole, features, set)).toBeCloseTo(
    tf.mean(tf.cast(hits, 'float32')).dataSync()[0] as number,
    6,
  );
  expect(
    task.weights
      .map(({ name }) => name)
      .filter((name) => TRAINED.some((each) => name.startsWith(each.slice(0, -1)))),
  ).toHaveLength(4);
});
