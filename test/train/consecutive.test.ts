import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { createRandom } from '../../src/train/random.js';
import { putWeights, takeBase, variablesOf, weightsOfModel } from '../../src/train/session.js';

const [WORDS, LENGTH, CLASSES] = [60, 10, 8];
const UPDATES = 3;

beforeAll(() => useBackend('wasm'));

/** A small text classifier: most of its weights are rows of an embedding, few of which an update needs. */
function createModel(): tf.LayersModel {
  const seed = (n: number) => tf.initializers.glorotUniform({ seed: n });
  const model = tf.sequential({
    layers: [
      tf.layers.embedding({
        ...{ inputDim: WORDS, outputDim: 16, inputLength: LENGTH, name: 'words' },
        embeddingsInitializer: tf.initializers.randomUniform({ minval: -0.5, maxval: 0.5, seed: 1 }),
      }),
      tf.layers.gru({ units: 24, name: 'state', kernelInitializer: seed(2), recurrentInitializer: seed(3) }),
      tf.layers.dense({ units: CLASSES, activation: 'softmax', name: 'out', kernelInitializer: seed(4) }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

/** Sentences of the first classes: two words of the class, in a place of their own, among others. */
function sentences(classes: number, count: number, seed: number) {
  const random = createRandom(seed);
  const labels = Int32Array.from({ length: count }, () => Math.floor(classes * random()));
  const words = Array.from(labels, (label) => {
    const list = Array.from({ length: LENGTH }, () => 20 + Math.floor(40 * random()));
    list[Math.floor(5 * random())] = 2 * label;
    list[5 + Math.floor(5 * random())] = 2 * label + 1 + (random() < 0.3 ? 18 : 0);
    return list;
  });
  const ys = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES), 'float32'));
  return { xs: tf.tensor2d(words, [count, LENGTH], 'float32'), ys };
}

/** The largest bias of the output. */
const largest = (weights: Pick<ReadonlyMap<string, Float32Array>, 'get'>): number =>
  Math.max(...Array.from(weights.get('out/bias') as Float32Array, Math.abs));

test('over three updates of a recurrent model, biases stay near those of full fine-tunes', async () => {
  const model = createModel();
  const task = createTask(model);
  const base = sentences(CLASSES - UPDATES, 400, 1);
  await model.fit(base.xs, base.ys, { epochs: 8, batchSize: 32, shuffle: false, verbose: 0 });
  const start = (await takeBase(task)).trainable;
  const put = (weights: typeof start): void => putWeights(variablesOf(task, weights), weights);
  const reached = { full: [] as number[], diff: [] as number[], accuracy: [] as number[] };
  for (const chain of ['full', 'diff'] as const) {
    put(start);
    for (let update = 1; update <= UPDATES; update++) {
      const train = sentences(CLASSES - UPDATES + update, 400, 10 + update);
      const full = await fineTune({ task, train, epochs: 6, learningRate: 0.01, seed: update });
      const options = {
        task,
        train,
        budget: '4%',
        epochs: 12,
        seed: update,
        fullFineTune: full,
        validation: train,
      };
      const diff = chain === 'diff' ? await trainHashDiff(options) : undefined;
      if (diff) reached.accuracy.push(diff.metrics.diff.accuracy as number);
      const weights = diff ? weightsOfModel(diff.model, new Set(start.keys())) : new Map(full.weights);
      reached[chain].push(largest(weights));
      put(weights as typeof start);
      tf.dispose(train);
    }
  }
  // In units five times those of weights they come to 2.2, those of full fine-tunes to 0.7.
  expect(Math.max(...reached.diff)).toBeLessThan(3 * Math.max(...reached.full));
  expect(Math.min(...reached.accuracy)).toBeGreaterThan(0.95);
  tf.dispose(base);
  model.dispose();
});
