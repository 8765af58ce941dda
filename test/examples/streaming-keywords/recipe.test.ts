import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { STREAM_FRAMES } from '../../../examples/streaming-keywords/data.js';
import { FRAME_SECONDS } from '../../../examples/streaming-keywords/frames.js';
import { createStreamModel } from '../../../examples/streaming-keywords/model.js';
import { RouteLayer } from '../../../examples/streaming-keywords/route-layer.js';
import { STREAM_NETWORK } from '../../../examples/streaming-keywords/stream-recipe.js';
import { routeLayerOf, TRAINED_TEMPERATURE } from '../../../examples/streaming-keywords/training.js';
import { CLASSES } from '../../../examples/streaming-keywords/vocabulary.js';
import { openFolder } from '../../../src/node/folder.js';
import { loadRecipe } from '../../../src/recipe/recipe.js';
import { fineTuneByRecipe } from '../../../src/recipe/train-by-recipe.js';
import { measureReport } from '../../../src/report/measure/measure-report.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { loadModel } from '../../../src/tfjs/layers-files.js';
import { Workshop } from '../../report/measure/fixtures.js';

const shop = new Workshop();
const recipe = fileURLToPath(new URL('./small-recipe.ts', import.meta.url));

async function saveRecogniser(name: string, change?: (model: tf.LayersModel) => void): Promise<string> {
  await useBackend('wasm');
  const model = createStreamModel(STREAM_NETWORK);
  (routeLayerOf(model) as RouteLayer).temperature = TRAINED_TEMPERATURE;
  change?.(model);
  return shop.saveModel(name, model);
}

/** The arbitrator's bias sends each frame through the fast branch. */
function alwaysFast(model: tf.LayersModel): void {
  const layer = model.getLayer('arbitrator/dense2');
  const [kernel] = layer.getWeights() as [tf.Tensor];
  layer.setWeights([tf.zerosLike(kernel), tf.tensor1d([-1])]);
}

test('the streaming recipe measures frames and streams of base and payload', async () => {
  const base = await saveRecogniser('base');
  const next = await saveRecogniser('next', alwaysFast);
  const payload = await shop.exact('fast.ndiff', base, next);
  const options = { base, payloads: [payload], recipe, seed: 3, applyRuns: 0, byteDiffers: false };
  const found = await measureReport(options);
  expect(found.data).toMatchObject({ source: 'test', examples: 3 * STREAM_FRAMES, labels: CLASSES });
  expect(found.base.quality?.accuracy.value).toBeGreaterThanOrEqual(0);
  expect(found.remarks.join(' ')).toContain('Each step of the 3 sequences');

  const [full, fast] = found.streaming?.branches ?? [];
  expect([full?.name, fast?.name]).toEqual(['full', 'fast']);
  const loads = found.streaming?.threads.map((speed) => (full?.flops as number) / speed / FRAME_SECONDS);
  expect(loads).toEqual([0.5, 1.3, 1.6].map((load) => expect.closeTo(load, 9)));
  expect(found.base.streams?.map(({ streams, frames }) => [streams, frames])).toEqual(
    Array(3).fill([3, 3 * STREAM_FRAMES]),
  );
  for (const { shares, computation, longestBacklog, metrics } of found.candidates[0]?.streams ?? []) {
    expect([shares, longestBacklog]).toEqual([[0, 1], 0]);
    expect(computation).toBeCloseTo((fast?.flops as number) / (full?.flops as number), 9);
    expect(metrics.map(({ name }) => name)).toEqual(['hits, %', 'false alarms an hour', 'word errors, %']);
  }
  expect(found.candidates[0]?.streams).toHaveLength(3);
});

test('the streaming recipe trains the arbitrator, too, where the saved choices are soft', async () => {
  const { options } = await loadRecipe(recipe);
  expect(options).toMatchObject({ batchSize: 8, outputs: ['words/output'] });
  const base = await saveRecogniser('soft');
  const job = { base, recipe, seed: 3, options: { fineTune: { epochs: 1, learningRate: 0.001 } } };
  const { weights } = await fineTuneByRecipe(job, { signal: new AbortController().signal });
  const files = await openFolder(base);
  const model = await loadModel(files).finally(() => files.close());
  const kernel = model.getLayer('arbitrator/dense1').getWeights()[0] as tf.Tensor;
  expect(routeLayerOf(model)?.temperature).toBe(TRAINED_TEMPERATURE);
  expect([...(weights.get('arbitrator/dense1/kernel') as Float32Array)]).not.toEqual([...kernel.dataSync()]);
  model.dispose();
});

test('RouteLayer saves its temperature, and chooses hard without one', () => {
  const layer = new RouteLayer({ name: 'route', fastShare: 0.25, temperature: 0.5 });
  expect(layer.getConfig()).toMatchObject({ fastShare: 0.25, temperature: 0.5 });
  expect(new RouteLayer({ name: 'route', fastShare: 0.25 }).temperature).toBe(0);
});
