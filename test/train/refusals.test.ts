import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { decodePayload } from '../../src/payload/decode.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { copyWeights, infoOf, namedWeights } from '../../src/tfjs/weights.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { TrainDiffOptions } from '../../src/train/train-diff.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

let tiny: TinyTask;
beforeAll(async () => {
  tiny = await createTinyTask();
});

const options = (more: Partial<TrainDiffOptions> = {}): TrainDiffOptions => {
  return { task: tiny.task, train: tiny.train, budget: '15%', ...QUICK, ...more };
};

test.each(['', 'many', '-3', '0', '0%', '5 parsecs'])(
  'trainHashDiff() does not understand a budget of "%s"',
  (budget) => {
    return expect(async () => trainHashDiff(options({ budget }))).rejects.toThrow(RangeError);
  },
);

test('trainHashDiff() and trainSparseDiff() refuse a budget that not even the smallest payload meets', async () => {
  const steps: number[] = [];
  const impossible = options({ budget: 60, onStep: ({ done: step }) => steps.push(step) });
  await expect(trainHashDiff(impossible)).rejects.toMatchObject({ code: 'budget-impossible' });
  await expect(trainSparseDiff(impossible)).rejects.toMatchObject({ code: 'budget-impossible' });
  expect(steps).toEqual([]);
});

test('biases take fewer bits in a budget that they would fill, unless their rate is given', async () => {
  const layers = [
    tf.layers.dense({ inputShape: [16], units: 2000, activation: 'relu' }),
    tf.layers.dense({ units: 4, activation: 'softmax' }),
  ];
  const model = tf.sequential({ layers });
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy' });
  const task = createTask(model);
  const tight = options({ task, budget: 360, epochs: 1 });
  for (const train of [trainHashDiff, trainSparseDiff]) {
    await expect(train({ ...tight, denseRate: 1.2 })).rejects.toMatchObject({ code: 'budget-impossible' });
    const { payload } = await train(tight);
    expect(payload.length).toBeLessThanOrEqual(360);
    const { ops } = (await decodePayload(payload, task.weights.map(infoOf))).diff;
    expect(ops.map(({ kind }) => kind)).toContain(train === trainHashDiff ? 'hash' : 'sparse');
  }
  model.dispose();
});

test('trainHashDiff() and trainSparseDiff() leak no tensors when the budget turns out too small', async () => {
  const fullFineTune = await fineTune(options());
  const least = 90;
  const before = tf.memory().numTensors;
  for (const train of [trainHashDiff, trainSparseDiff]) {
    let refused = 0;
    for (let budget = least; budget < least + 60; budget++) {
      const run = train(options({ budget, fullFineTune, epochs: 1, denseRate: 1.2 }));
      await run.catch(({ code }) => {
        expect(code).toBe('budget-impossible');
        refused++;
      });
    }
    expect(refused).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(before);
  }
});

test('fineTune() refuses data whose arrays disagree, are empty or too few', async () => {
  const { task } = tiny;
  const xs = tf.zeros([4, 16]);
  await expect(fineTune({ task, train: { xs, ys: tf.zeros([3, 4]) } })).rejects.toMatchObject({
    code: 'bad-data',
  });
  await expect(
    fineTune({ task, train: { xs: tf.zeros([0, 16]), ys: tf.zeros([0, 4]) } }),
  ).rejects.toMatchObject({
    code: 'bad-data',
  });
  await expect(fineTune({ task, train: { xs: [xs, xs], ys: tf.zeros([4, 4]) } })).rejects.toMatchObject({
    code: 'bad-data',
  });
});

test('fineTune() refuses datasets without batches or without xs and ys', async () => {
  const { task } = tiny;
  const empty = tf.data.array<tf.TensorContainerObject>([]);
  await expect(fineTune({ task, train: empty, epochs: 1 })).rejects.toMatchObject({ code: 'bad-data' });
  const other = tf.data.array([{ images: tf.zeros([1, 16]) }]);
  await expect(fineTune({ task, train: other, epochs: 1 })).rejects.toMatchObject({ code: 'bad-data' });
});

test('fineTune() stops if the loss is not finite, and restores the base', async () => {
  const base = await copyWeights(namedWeights(tiny.model));
  const task = {
    ...tiny.task,
    loss: ([output]: tf.Tensor[]) => tf.sum(tf.mul(output as tf.Tensor, Number.NaN)) as tf.Scalar,
  };
  const run = fineTune({ task, train: tiny.train, epochs: 1 });
  await expect(run).rejects.toMatchObject({ code: 'training-diverged' });
  expect(await copyWeights(namedWeights(tiny.model))).toEqual(base);
});

test('fineTune() says which data is not finite, before or while it trains', async () => {
  const before = tf.memory().numTensors;
  const { task } = tiny;
  const [xs, ys] = [tf.ones([32, 16]), tf.fill([32, 4], 0.25)];
  const [bad, worse] = [tf.fill([32, 16], Number.POSITIVE_INFINITY), tf.fill([32, 4], Number.NaN)];
  const refusal = { code: 'bad-data', message: expect.stringContaining('expected finite numbers') };
  await expect(fineTune({ task, train: { xs, ys: worse } })).rejects.toMatchObject(refusal);
  await expect(fineTune({ task, train: { xs: bad, ys } })).rejects.toMatchObject(refusal);
  const checked = { ...task, checkGradients: () => Promise.reject(new Error('no gradient')) };
  await expect(fineTune({ task: checked, train: { xs: bad, ys } })).rejects.toMatchObject(refusal);
  await expect(fineTune({ task: checked, train: { xs, ys } })).rejects.toThrow('no gradient');
  tf.dispose([xs, ys, bad, worse]);
  expect(tf.memory().numTensors).toBe(before);
});

test('trainSparseDiff() stops on an aborted signal with its reason, and restores the base', async () => {
  const base = await copyWeights(namedWeights(tiny.model));
  const stop = new AbortController();
  const reason = new Error('enough');
  const onStep = ({ phase, done: step }: { phase: string; done: number }) => {
    if (phase === 'diff' && step === 3) stop.abort(reason);
  };
  const tensors = tf.memory().numTensors;
  await expect(trainSparseDiff(options({ signal: stop.signal, onStep }))).rejects.toBe(reason);
  expect(tf.memory().numTensors).toBe(tensors);
  expect(await copyWeights(namedWeights(tiny.model))).toEqual(base);
});

test.each([
  { epochs: 0 },
  { epochs: 1.5 },
  { batchSize: 0 },
  { learningRate: 0 },
  { learningRate: Number.NaN },
  { seed: -1 },
  { seed: 2 ** 32 },
])('fineTune() refuses %o', (wrong) => {
  return expect(fineTune({ task: tiny.task, train: tiny.train, ...wrong })).rejects.toThrow(RangeError);
});

test('trainHashDiff() refuses blocks and trainSparseDiff() refuses bits, shares and temperatures out of range', () => {
  for (const block of [0, 1.5, 2000])
    expect(() => trainHashDiff({ ...options(), block })).toThrow(RangeError);
  for (const bits of [0, 9, 2.5]) expect(() => trainSparseDiff({ ...options(), bits })).toThrow(RangeError);
  for (const fixedFrom of [0, 1])
    expect(() => trainSparseDiff({ ...options(), fixedFrom })).toThrow(RangeError);
  const temperatures = { first: 0.1, last: 1 };
  expect(() => trainSparseDiff({ ...options(), temperatures })).toThrow(RangeError);
});

test('fineTune() refuses an infinite dataset and examples of another shape', async () => {
  const endless = tf.data.array([{ xs: tf.zeros([1, 16]), ys: tf.zeros([1, 4]) }]).repeat();
  await expect(fineTune({ task: tiny.task, train: endless })).rejects.toMatchObject({ code: 'bad-data' });
  const wide = { xs: tf.zeros([4, 17]), ys: tf.zeros([4, 4]) };
  await expect(fineTune({ task: tiny.task, train: wide })).rejects.toMatchObject({ code: 'bad-data' });
});

test('trainers stop if a parameter is not finite, even in the last step', async () => {
  const last = { epochs: 1, batchSize: 384, learningRate: 1e39, fineTune: { epochs: 1 } };
  await expect(trainHashDiff(options(last))).rejects.toMatchObject({ code: 'training-diverged' });
  await expect(trainSparseDiff(options(last))).rejects.toMatchObject({ code: 'training-diverged' });
});

test('trainSparseDiff() refuses a full fine-tune that changed nothing', async () => {
  const still = options({ fineTune: { epochs: 1, learningRate: 1e-30 } });
  await expect(trainSparseDiff(still)).rejects.toMatchObject({ code: 'bad-data' });
});

test.each([
  { distillation: { weight: -3 } },
  { distillation: { temperature: 0 } },
  { coding: 'quaternary' },
  { scales: 'own' },
])('trainHashDiff() refuses %o', (wrong) => {
  return expect(async () => trainHashDiff(options(wrong as object))).rejects.toThrow(RangeError);
});

test.each([{ selection: 'annealed' }, { saliency: 'fischer' }, { scope: 'matrix' }])(
  'trainSparseDiff() refuses %o',
  (wrong) => expect(async () => trainSparseDiff(options(wrong as object))).rejects.toThrow(RangeError),
);

test('createTask() refuses unknown modes and kinds of output', () => {
  expect(() => createTask(tiny.model, { mode: 'train' as 'training' })).toThrow(RangeError);
  expect(() => createTask(tiny.model, { fineTuneMode: 'train' as 'training' })).toThrow(RangeError);
  expect(() => createTask(tiny.model, { outputKind: 'logit' as 'logits' })).toThrow(RangeError);
});

test('createTask() refuses a model that is not compiled', () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1 })] });
  expect(() => createTask(model)).toThrow(TypeError);
});

test('a task is trained once at a time, so that runs never start from the weights of others', async () => {
  const { model, task } = tiny;
  const weights = namedWeights(model);
  const before = await copyWeights(weights);
  const first = fineTune(options());
  const refusal = { name: 'TypeError', message: expect.stringContaining('already being trained') };
  await expect(fineTune(options())).rejects.toMatchObject(refusal);
  await expect(trainHashDiff(options({ task: { ...task } }))).rejects.toMatchObject(refusal);
  const { metrics } = await first;
  expect(await copyWeights(weights)).toEqual(before);
  expect((await fineTune(options())).metrics).toEqual(metrics);
});
