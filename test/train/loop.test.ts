import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { Task } from '../../src/train/task.js';
import type { StepReport } from '../../src/train/training-options.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

let tiny: TinyTask;
beforeAll(async () => {
  tiny = await createTinyTask();
});

test('fineTune() accepts a tf.data.Dataset of unknown size, with a live teacher', async () => {
  const { xs, ys } = tiny.train as { xs: tf.Tensor; ys: tf.Tensor };
  const elements = Array.from({ length: 12 }, (_, i) => ({
    xs: xs.slice(32 * i, 32),
    ys: ys.slice(32 * i, 32),
  }));
  const known = tf.data.array(elements).map(({ xs: x, ys: y }) => ({ xs: tf.clone(x), ys: tf.clone(y) }));
  const unknown = tf.data.generator(function* () {
    for (const { xs: x, ys: y } of elements) yield { xs: tf.clone(x), ys: tf.clone(y) };
  });
  for (const train of [known, unknown]) {
    const reports: StepReport[] = [];
    const { metrics } = await trainHashDiff({
      task: tiny.task,
      train,
      validation: tiny.validation,
      budget: '15%',
      ...QUICK,
      onStep: (report) => reports.push(report),
    });
    expect(metrics.diff.accuracy).toBeGreaterThan((metrics.base.accuracy as number) + 0.1);
    expect(reports.at(-1)).toMatchObject({ phase: 'diff', epoch: 5, epochs: 6, done: 72, total: 72 });
  }
});

test('trainHashDiff() learns the same from a precomputed teacher and from a live one', async () => {
  const { xs, ys } = tiny.train as { xs: tf.Tensor; ys: tf.Tensor };
  const full = await fineTune({ task: tiny.task, train: tiny.train, epochs: 4 });
  const settings = {
    task: tiny.task,
    validation: tiny.validation,
    budget: '8%',
    epochs: 8,
    learningRate: 0.02,
  };
  const distillation = { weight: 1 };
  const losses: number[][] = [];
  const whole = tf.data.generator(function* () {
    yield { xs: tf.clone(xs), ys: tf.clone(ys) };
  });
  for (const train of [tiny.train, whole]) {
    const seen: number[] = [];
    const onStep = ({ loss }: StepReport) => seen.push(loss);
    await trainHashDiff({ ...settings, train, batchSize: 384, fullFineTune: full, distillation, onStep });
    losses.push(seen.map((loss) => Number(loss.toFixed(4))));
  }
  expect(losses[0]).toHaveLength(8);
  expect(losses[1]).toEqual(losses[0]);
});

test('trainSparseDiff() anneals within a single epoch of a dataset of unknown size', async () => {
  const { xs, ys } = tiny.train as { xs: tf.Tensor; ys: tf.Tensor };
  const train = tf.data.generator(function* () {
    for (let i = 0; i < 384; i += 32) yield { xs: xs.slice(i, 32), ys: ys.slice(i, 32) };
  });
  const densities: number[] = [];
  const onStep = ({ phase, state }: StepReport) => {
    if (phase === 'diff') densities.push(state.density as number);
  };
  await trainSparseDiff({ task: tiny.task, train, budget: '3%', epochs: 1, selection: 'anneal', onStep });
  expect(densities[0]).toBe(1);
  expect(densities.at(-1)).toBeLessThan(0.3);
  // At 60 % of the steps the mask is fitted to the budget again: what is paid for is known better then.
  const falling = densities.slice(0, Math.ceil(0.6 * densities.length));
  expect(falling).toEqual([...falling].sort((a, b) => b - a));
  expect(new Set(densities.slice(falling.length)).size).toBe(1);
});

test('trainHashDiff() in training mode measures the weights that devices will have, moving statistics included', async () => {
  const task = createTask(tiny.model, { mode: 'training' });
  const { metrics, model } = await trainHashDiff({
    task,
    train: tiny.train,
    validation: tiny.validation,
    budget: '8%',
    ...QUICK,
  });
  const before = tiny.model.getWeights().map((weight) => weight.clone());
  const bytes = new Map(model.tensors.map((tensor) => [tensor.name, tensor.bytes]));
  tiny.model.setWeights(
    task.weights.map(({ name, variable }) => {
      return tf.tensor(new Float32Array((bytes.get(name) as Uint8Array).slice().buffer), variable.shape);
    }),
  );
  const measured = await task.evaluate(tiny.validation);
  tiny.model.setWeights(before);
  expect(metrics.diff).toEqual(measured);
});

test('fineTune() reports every step and epoch, and accepts any tfjs optimiser', async () => {
  const steps: StepReport[] = [];
  const epochs: number[] = [];
  const rates: number[] = [];
  const { metrics } = await fineTune({
    task: tiny.task,
    train: tiny.train,
    validation: tiny.validation,
    epochs: 3,
    batchSize: 100,
    learningRate: 0.1,
    optimizer: (rate) => {
      rates.push(rate);
      return tf.train.momentum(rate, 0.9);
    },
    onStep: (report) => steps.push(report),
    onEpoch: ({ epoch }) => {
      epochs.push(epoch);
    },
  });
  expect(steps.map(({ done: step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect([epochs, rates]).toEqual([[0, 1, 2], [0.1]]);
  expect(Object.keys(metrics)).toEqual(['loss', 'accuracy']);
});

test('fineTune() trains any model with a loss function, not only a LayersModel', async () => {
  await useBackend('wasm');
  const slope = tf.variable(tf.tensor2d([[0], [0]]));
  const offset = tf.variable(tf.tensor1d([0]));
  const outputs = (inputs: tf.Tensor[]) => [
    tf.add(tf.matMul(inputs[0] as tf.Tensor2D, slope as tf.Tensor2D), offset),
  ];
  const loss: Task['loss'] = ([y], batch) =>
    tf.losses.meanSquaredError(batch.ys[0] as tf.Tensor, y as tf.Tensor);
  const task: Task = {
    weights: [
      { name: 'slope', variable: slope, trainable: true },
      { name: 'offset', variable: offset, trainable: true },
    ],
    inputNames: ['x'],
    outputNames: ['y'],
    outputKinds: ['values'],
    outputs,
    loss,
    evaluate: async () => ({}),
  };
  const xs = tf.tensor2d([0, 0, 1, 0, 0, 1, 1, 1], [4, 2]);
  const ys = tf.tensor2d([1, 3, 0, 2], [4, 1]);
  const { weights } = await fineTune({
    task,
    train: { xs, ys },
    epochs: 300,
    learningRate: 0.1,
    batchSize: 4,
  });
  expect(Array.from(weights.get('slope') as Float32Array, Math.round)).toEqual([2, -1]);
  expect(Array.from(weights.get('offset') as Float32Array, Math.round)).toEqual([1]);
  expect(Array.from(slope.dataSync())).toEqual([0, 0]);
});

test('createTask() in training mode restores the moving statistics that the forward pass changes', async () => {
  const read = () =>
    tiny.model
      .getLayer('norm')
      .getWeights()
      .map((weight) => Array.from(weight.dataSync()));
  const before = read();
  const task = createTask(tiny.model, { mode: 'training' });
  await fineTune({ task, train: tiny.train, epochs: 1 });
  expect(read()).toEqual(before);
});

test('createTask() trains the full fine-tune alone in training mode, and the diff in its own', async () => {
  const { train, model } = tiny;
  const [plain, whole, apart] = [
    createTask(model),
    createTask(model, { mode: 'training' }),
    createTask(model, { fineTuneMode: 'training' }),
  ];
  const fullOf = (task: Task) => fineTune({ task, train, epochs: 1 });
  const [ofPlain, ofWhole, ofApart] = [await fullOf(plain), await fullOf(whole), await fullOf(apart)];
  expect(ofApart.deltas).toEqual(ofWhole.deltas);
  expect(ofApart.deltas).not.toEqual(ofPlain.deltas);
  const diffOf = async (task: Task) => {
    const options = { task, train, budget: '8%', ...QUICK, fullFineTune: ofApart };
    return (await trainHashDiff(options)).payload;
  };
  const [inPlain, inWhole, inApart] = [await diffOf(plain), await diffOf(whole), await diffOf(apart)];
  expect(inApart).toEqual(inPlain);
  expect(inApart).not.toEqual(inWhole);
});

test('a convolutional model trains reproducibly on the wasm backend', async () => {
  await useBackend('wasm');
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, name: 'a', ...seeded('kernel') }),
      tf.layers.depthwiseConv2d({ kernelSize: 3, name: 'b', ...seeded('depthwise') }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 2, activation: 'softmax', name: 'c', ...seeded('kernel') }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const xs = tf.randomNormal([64, 8, 8, 1], 0, 1, 'float32', 4);
  const ys = tf.tidy(() => tf.oneHot(tf.cast(tf.greater(tf.mean(xs, [1, 2, 3]), 0), 'int32'), 2).toFloat());
  const run = () =>
    fineTune({
      task: createTask(model),
      train: { xs, ys },
      validation: { xs, ys },
      epochs: 20,
      learningRate: 0.02,
    });
  const first = await run();
  expect(first.metrics.accuracy).toBeGreaterThan(0.9);
  expect((await run()).weights).toEqual(first.weights);
});

function seeded(what: 'kernel' | 'depthwise') {
  return { [`${what}Initializer`]: tf.initializers.randomNormal({ seed: 3, stddev: 0.3 }) };
}
