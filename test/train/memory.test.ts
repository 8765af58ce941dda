import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { WASM_MEMORY_BYTES } from '../../src/tfjs/memory.js';
import { copyWeights, type NamedWeight } from '../../src/tfjs/weights.js';
import { createTask } from '../../src/train/create-task.js';
import { baseOf, fineTune } from '../../src/train/fine-tune.js';
import { takeBase } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import { type HeapWatch, watchHeap } from './heap.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

/** Inputs and hidden units of a network whose activations are small compared with its weights. */
const WIDTH = 512;
const CLASSES = 8;
const EXAMPLES = 16;

/** Bytes of a float32 tensor of this many numbers. */
const floats = (count: number): number => 4 * count;
const HIDDEN_BYTES = floats(3 * WIDTH * WIDTH);
const HEAD_BYTES = floats(WIDTH * CLASSES);

/** Bytes of activations, of biases, and of the scratch memory of a product. */
const SLACK = floats(12 * EXAMPLES * WIDTH) + 300_000;

let heap: HeapWatch;
let wide: tf.LayersModel;
let task: Task;
let data: { xs: tf.Tensor; ys: tf.Tensor };
let tiny: TinyTask;

beforeAll(async () => {
  await useBackend('wasm');
  heap = watchHeap();
  const kernelInitializer = (seed: number) => tf.initializers.heNormal({ seed });
  const hidden = [1, 2, 3].map((seed) =>
    tf.layers.dense({
      inputShape: [WIDTH],
      units: WIDTH,
      activation: 'relu',
      name: `hidden${seed}`,
      kernelInitializer: kernelInitializer(seed),
    }),
  );
  const head = { units: CLASSES, name: 'head', kernelInitializer: kernelInitializer(4) };
  wide = tf.sequential({ layers: [...hidden, tf.layers.dense({ ...head, activation: 'softmax' })] });
  wide.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  task = createTask(wide);
  const labels = Array.from({ length: EXAMPLES }, (_, i) => i % CLASSES);
  data = { xs: tf.randomNormal([EXAMPLES, WIDTH], 0, 1, 'float32', 9), ys: tf.tensor1d(labels) };
  tiny = await createTinyTask();
});
afterAll(() => heap.stop());

const shared = () => ({ task, train: data, validation: data, batchSize: EXAMPLES, epochs: 3 });
const diff = () => ({ ...shared(), budget: '0.2%', fineTune: { epochs: 3 } });

describe('in addition to the weights, training takes', () => {
  test('gradients and two moments for a full fine-tune', async () => {
    expect(await heap.peakOf(() => fineTune(shared()))).toBeLessThan(3 * HIDDEN_BYTES + SLACK);
  });

  test('no more for a diff, of which base, gradients, and what is trained', async () => {
    const full = await fineTune(shared());
    for (const train of [trainHashDiff, trainSparseDiff]) {
      expect(await heap.peakOf(() => train(diff()))).toBeLessThan(3 * HIDDEN_BYTES + SLACK);
      const given = { ...diff(), fullFineTune: full };
      expect(await heap.peakOf(() => train(given))).toBeLessThan(2.5 * HIDDEN_BYTES + SLACK);
    }
  });

  test('little if only the head is trained, whose frozen layers are not touched', async () => {
    const frozen = task.weights.filter(({ name }) => name.startsWith('hidden'));
    const places = frozen.map(({ variable }) => variable.dataId);
    const only = ['head/*'];
    for (const run of [
      () => fineTune({ ...shared(), only }),
      () => trainHashDiff({ ...diff(), only }),
      () => trainSparseDiff({ ...diff(), only }),
      () => trainSparseDiff({ ...diff(), only, selection: 'anneal' }),
    ]) {
      expect(await heap.peakOf(run)).toBeLessThan(10 * HEAD_BYTES + SLACK);
      expect(frozen.map(({ variable }) => variable.dataId)).toEqual(places);
    }
  });

  test('no copy of frozen layers for as long as a full fine-tune is kept', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const arrayBytes = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const before = arrayBytes();
    const full = await fineTune({ ...shared(), only: ['head/*'] });
    // What is collected is subtracted some time later.
    await expect.poll(() => arrayBytes() - before, { timeout: 20_000 }).toBeLessThan(HIDDEN_BYTES / 2);
    expect(full.weights.size).toBe(2);
  });

  test('no second copy of a base that a full fine-tune started from, unless the weights differ', async () => {
    const known = baseOf(await fineTune(shared()));
    const base = await takeBase(task, {}, known);
    expect(base.trainable.size).toBe(task.weights.length);
    for (const [name, values] of base.trainable) expect(values.buffer).toBe(known?.get(name)?.buffer);
    const { variable } = task.weights[0] as NamedWeight;
    const first = variable.clone();
    variable.assign(tf.add(variable, 1));
    const other = await takeBase(task, {}, known);
    const [changed, kept] = [...other.trainable].map(
      ([name, { buffer }]) => known?.get(name)?.buffer !== buffer,
    );
    expect([changed, kept]).toEqual([true, false]);
    variable.assign(first);
    first.dispose();
  });

  test('activations of a micro-batch', async () => {
    const size = 32;
    const convolution = tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [32, 32, 1], filters: 8, kernelSize: 3, activation: 'relu' }),
        tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }),
        tf.layers.dense({ units: 4, activation: 'softmax' }),
      ],
    });
    convolution.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
    const xs = tf.randomNormal([size, 32, 32, 1], 0, 1, 'float32', 3);
    const train = { xs, ys: tf.tensor1d(Array.from({ length: size }, (_, i) => i % 4)) };
    const options = { task: createTask(convolution), train, batchSize: size, epochs: 1 };
    const whole = await heap.peakOf(() => fineTune(options));
    const pieces = await heap.peakOf(() => fineTune({ ...options, microBatchSize: 4 }));
    expect(pieces).toBeLessThan(whole / 3);
    tf.dispose([train.xs, train.ys]);
    convolution.dispose();
  });
});

/** A task with more weights than the wasm backend's memory; its variables share 32 MiB of it. */
function createHugeTask(count = 33, frozen = 0): Task {
  const zeros = tf.zeros([2 ** 23]);
  const weights = Array.from({ length: count }, (_, i) => {
    return { name: `w${i}`, variable: tf.variable(zeros), trainable: true };
  });
  zeros.dispose();
  if (frozen > 0)
    weights.push({ name: 'frozen', variable: tf.variable(tf.zeros([frozen])), trainable: false });
  return { ...tiny.task, weights, dispose: () => tf.dispose(weights.map(({ variable }) => variable)) };
}

test('trainers refuse weights that cannot fit before they start, and say how many could', async () => {
  const huge = createHugeTask();
  const before = tf.memory();
  const options = { ...QUICK, task: huge, train: tiny.train, budget: '1%' };
  const bytesNeeded = 4 * 33 * floats(2 ** 23);
  for (const train of [fineTune, trainHashDiff, trainSparseDiff]) {
    const error = await train(options).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'no-memory', facts: { bytesNeeded, limit: WASM_MEMORY_BYTES } });
    expect(error.message).toContain('train fewer than 265633792 weights');
  }
  const annealed = trainSparseDiff({ ...options, selection: 'anneal', only: ['w1*', 'w2*'] });
  const perWeight = 8;
  const facts = { bytesNeeded: (33 + 22 * perWeight) * floats(2 ** 23), limit: WASM_MEMORY_BYTES };
  await expect(annealed).rejects.toMatchObject({ code: 'no-memory', facts });
  expect(tf.memory()).toEqual(before);
  huge.dispose?.();
});

test('trainHashDiff() counts its buckets, too', async () => {
  const frozen = 12_000_000;
  const huge = createHugeTask(42, frozen);
  const fullFineTune = await fineTune({ ...QUICK, task: tiny.task, train: tiny.train });
  const options = { ...QUICK, task: huge, train: tiny.train, fullFineTune, budget: '1%' };
  const weights = floats(3 * 42 * 2 ** 23 + frozen);
  expect(weights).toBeLessThan(WASM_MEMORY_BYTES);
  const error = await trainHashDiff(options).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: 'no-memory', facts: { bytesNeeded: weights + floats(4 * 2 ** 21) } });
  expect(error.message).toContain('and activations come on top');
  huge.dispose?.();
});

describe('a step whose memory cannot be allocated', () => {
  const failing: Record<string, (outputs: tf.Tensor[]) => tf.Scalar> = {
    'on the backend': ([output]) => tf.sum(tf.tile(tf.reshape(output as tf.Tensor, [-1]), [2 ** 24])),
    'in JavaScript': () => tf.scalar(new Float32Array(2 ** 40).length),
  };

  test.each(Object.entries(failing))(
    '%s, says so, and leaves base and backend as they were',
    async (_, loss) => {
      const base = await copyWeights(tiny.task.weights);
      const before = tf.memory().numTensors;
      const options = { ...QUICK, task: { ...tiny.task, loss }, train: tiny.train, budget: '15%' };
      for (const train of [fineTune, trainHashDiff, trainSparseDiff]) {
        const error = await train(options).catch((thrown) => thrown);
        expect(error).toMatchObject({ code: 'no-memory', facts: { limit: WASM_MEMORY_BYTES } });
        expect(error.message).toMatch(/^Cannot train on 32 examples at a time: .*microBatchSize/);
        expect(error.cause).toBeInstanceOf(Error);
        expect(tf.memory().numTensors).toBe(before);
        expect(await copyWeights(tiny.task.weights)).toEqual(base);
      }
      await expect(fineTune({ ...options, task: tiny.task })).resolves.toBeDefined();
    },
  );

  test('is one of measuring, too', async () => {
    const before = tf.memory().numTensors;
    const evaluate = async () => {
      const numbers = tf.tidy(() => tf.sum(tf.tile(tf.ones([2 ** 10]), [2 ** 24])).dataSync());
      return { loss: numbers[0] as number };
    };
    const run = fineTune({
      ...QUICK,
      task: { ...tiny.task, evaluate },
      train: tiny.train,
      validation: tiny.train,
    });
    const error = await run.catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'no-memory', facts: { limit: WASM_MEMORY_BYTES } });
    expect(error.message).toMatch(/^Cannot measure the model: .*evaluationBatchSize/);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('is told from other failures', async () => {
    const before = tf.memory().numTensors;
    const loss = () => {
      throw new RangeError('Cannot find the label');
    };
    const run = fineTune({ ...QUICK, task: { ...tiny.task, loss }, train: tiny.train });
    await expect(run).rejects.toThrow(new RangeError('Cannot find the label'));
    expect(tf.memory().numTensors).toBe(before);
  });
});
