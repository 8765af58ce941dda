import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { CLASSIFIER } from '../../../examples/common/onnx-edit.js';
import { runOnnx } from '../../../examples/common/onnx-session.js';
import { fetchPublished } from '../../../examples/common/published.js';
import {
  SPEECH_EMBEDDING,
  toFeatures,
  toFrames,
  trainedPart,
  withWords,
} from '../../../examples/published-speech/model.js';
import { useBackend } from '../../../src/entries/tfjs.js';
import { createOnnxTask } from '../../../src/entries/train.js';
import { loadOnnxRuntime } from '../../runtimes/onnx-runtime.js';
import { seededFloats } from '../../support.js';

const files = (await loadOnnxRuntime()) && (await fetchPublished(SPEECH_EMBEDDING));

beforeAll(() => useBackend('wasm'));

test.skipIf(!files)('a task of the published speech model gives what ONNX Runtime gives', async () => {
  const clips = [1, 2, 3].map((seed) => ({
    samples: seededFloats(seed, 16_000),
    label: seed,
    part: 'base' as const,
  }));
  const spectrogram = files!.get('models/melspectrogram.onnx') as Uint8Array;
  const frames = await toFrames(spectrogram, clips, [10]);
  expect([frames.shape, frames.count, [...frames.labels]]).toEqual([[76, 32, 1], 3, [1, 2, 3]]);
  const windows = await toFrames(spectrogram, clips, [9, 10]);
  expect([...windows.labels]).toEqual([1, 1, 2, 2, 3, 3]);
  const [earlier, middle] = [windows.values.subarray(0, 76 * 32), windows.values.subarray(76 * 32)];
  expect(earlier.subarray(32)).toEqual(middle.subarray(0, 75 * 32));
  expect(middle.subarray(0, 76 * 32)).toEqual(frames.values.subarray(0, 76 * 32));
  const model = withWords(files!.get('models/embedding_model.onnx') as Uint8Array, 7, 1);
  const features = await toFeatures(model, frames);
  const run = { output: CLASSIFIER.output };
  const whole = await runOnnx(model, frames, run);
  const part = trainedPart(model, features.shape);
  expect(await runOnnx(part, features, run)).toEqual(whole);
  const task = await createOnnxTask(part, { loss: 'categoricalCrossentropy' });
  const xs = tf.tensor(features.values, [3, ...features.shape]);
  const found = (task.outputs([xs])[0] as tf.Tensor).dataSync();
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(whole.values[i] as number, 4);
  task.dispose?.();
});
