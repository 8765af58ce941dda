import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { OutputKind } from '../../src/train/predictor.js';
import type { Task } from '../../src/train/task.js';

const CLASSES = 4;
const EXAMPLES = 12;

beforeAll(() => useBackend('wasm'));

type Loss = Parameters<tf.LayersModel['compile']>[0]['loss'];

/** A classifier whose last class is ruled out by its bias. */
function classifier(loss: Loss, bias: number): tf.LayersModel {
  const kernelInitializer = tf.initializers.randomNormal({ seed: 1, mean: 0, stddev: 1 });
  const output = tf.layers.dense({
    units: CLASSES,
    activation: 'softmax',
    name: 'output',
    inputShape: [3],
    kernelInitializer,
  });
  const model = tf.sequential({ layers: [output] });
  model.compile({ optimizer: 'sgd', loss, metrics: ['accuracy'] });
  const [kernel] = model.getWeights() as [tf.Tensor];
  model.setWeights([kernel, tf.tensor1d([0, 0, 0, bias])]);
  return model;
}

const xs = () => tf.randomNormal([EXAMPLES, 3], 0, 1, 'float32', 2);
const labels = (): tf.Tensor1D =>
  tf.tensor1d(
    Int32Array.from({ length: EXAMPLES }, (_, i) => i % CLASSES),
    'int32',
  );
const hot = (): tf.Tensor => tf.cast(tf.oneHot(labels(), CLASSES), 'float32');

function lossOf(task: Task, ys: tf.Tensor): tf.Scalar {
  const batch = { xs: [xs()], ys: [ys], indexes: labels() };
  return task.loss(task.outputs(batch.xs), batch);
}

const CASES: readonly [string, Loss, () => tf.Tensor][] = [
  ['categoricalCrossentropy', 'categoricalCrossentropy', hot],
  ['categoricalCrossentropy in a list', ['categoricalCrossentropy'], hot],
  ['categoricalCrossentropy by name', { output: 'categoricalCrossentropy' }, hot],
  [
    'sparseCategoricalCrossentropy',
    'sparseCategoricalCrossentropy',
    () => tf.cast(tf.reshape(labels(), [-1, 1]), 'float32'),
  ],
];

describe.each(CASES)('createTask() with %s', (_name, loss, ys) => {
  test('has the loss of TensorFlow.js wherever that has a gradient', () => {
    const model = classifier(loss, -1);
    const expected = model.evaluate(xs(), ys(), { batchSize: EXAMPLES }) as tf.Scalar[];
    expect(lossOf(createTask(model), ys()).dataSync()[0]).toBeCloseTo(
      expected[0]?.dataSync()[0] as number,
      5,
    );
  });

  test('has a gradient for classes that the model rules out', () => {
    const task = createTask(classifier(loss, -50));
    const [, bias] = task.weights.map(({ variable }) => variable) as [tf.Variable, tf.Variable];
    const { grads } = tf.variableGrads(() => lossOf(task, ys()), [bias]);
    // Probability less label, over the batch: a quarter of the labels are of the class whose probability is
    // none.
    expect(grads[bias.name]?.dataSync()[CLASSES - 1]).toBeCloseTo(-1 / CLASSES, 5);
  });
});

test('fineTune() learns a class that the base rules out', async () => {
  const task = createTask(classifier('categoricalCrossentropy', -40));
  const train = { xs: xs(), ys: hot() };
  const { weights } = await fineTune({ task, train, epochs: 200, learningRate: 0.3, batchSize: EXAMPLES });
  expect(weights.get('output/bias')?.[CLASSES - 1]).toBeGreaterThan(-20);
});

test.each<[string, Loss, OutputKind]>([
  ['a function', (truth, found) => tf.mean(tf.squaredDifference(truth, found)) as tf.Scalar, 'probabilities'],
  ['another loss', 'meanSquaredError', 'probabilities'],
  ['outputs that are no probabilities', 'categoricalCrossentropy', 'values'],
])('createTask() leaves the loss to TensorFlow.js with %s', (_name, loss, outputKind) => {
  const model = classifier(loss, -50);
  const expected = model.evaluate(xs(), hot(), { batchSize: EXAMPLES }) as tf.Scalar[];
  const found = lossOf(createTask(model, { outputKind }), hot()).dataSync()[0];
  expect(found).toBeCloseTo(expected[0]?.dataSync()[0] as number, 5);
});
