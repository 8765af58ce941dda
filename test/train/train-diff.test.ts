import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { decodePayload } from '../../src/payload/decode.js';
import type { HashOp } from '../../src/payload/diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { copyWeights, infoOf, namedWeights } from '../../src/tfjs/weights.js';
import { createTask } from '../../src/train/create-task.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { TrainDiffOptions, TrainedDiff } from '../../src/train/train-diff.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

let tiny: TinyTask;
beforeAll(async () => {
  tiny = await createTinyTask();
});

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const baseOf = () => copyWeights(namedWeights(tiny.model));

type Trainer = (options: TrainDiffOptions) => Promise<TrainedDiff>;
const KINDS: Readonly<Record<string, Trainer>> = {
  'trainHashDiff() ternary': (options) => trainHashDiff(options),
  'trainHashDiff() float, blocks of 1': (options) => trainHashDiff({ ...options, coding: 'float', block: 1 }),
  'trainHashDiff() sign, shared scales': (options) =>
    trainHashDiff({ ...options, coding: 'sign', scales: 'shared' }),
  'trainSparseDiff() rewound': (options) => trainSparseDiff(options),
  'trainSparseDiff() annealed': (options) => trainSparseDiff({ ...options, selection: 'anneal' }),
  'trainSparseDiff() annealed by magnitude per tensor': (options) =>
    trainSparseDiff({ ...options, selection: 'anneal', saliency: 'magnitude', scope: 'tensor', bits: 4 }),
};

describe.each(Object.entries(KINDS))('%s', (_name, trainer) => {
  const run = (more: Partial<TrainDiffOptions> = {}) =>
    trainer({
      task: tiny.task,
      train: tiny.train,
      validation: tiny.validation,
      budget: '4%',
      ...QUICK,
      ...more,
    });

  test('meets the budget with the packed file, uses it, and improves on the base', async () => {
    const { payload, share, metrics } = await run();
    const weights = (await baseOf()).tensors.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const budget = Math.floor(0.04 * weights);
    expect(payload.length).toBeLessThanOrEqual(budget);
    // Coded lengths are foreseen to a few bytes, of which such a small file has few.
    expect(payload.length).toBeGreaterThan(0.8 * budget);
    expect(share).toBe(payload.length / weights);
    expect(metrics.diff.accuracy).toBeGreaterThan((metrics.base.accuracy as number) + 0.08);
  });

  test('yields the same payload bytes for the same seed, and different ones for another', async () => {
    const first = digest((await run()).payload);
    expect(digest((await run()).payload)).toBe(first);
    expect(digest((await run({ seed: 8 })).payload)).not.toBe(first);
  });

  test('reports the accuracy of the decoded payload applied to the base, and restores the base', async () => {
    const base = await baseOf();
    const { payload, next, metrics } = await run();
    expect(await baseOf()).toEqual(base);
    const { status, fingerprint: found } = await applyPayload(openMemoryStore(base), payload);
    expect([status, found]).toEqual(['applied', next]);

    const restore = tiny.model.getWeights().map((weight) => weight.clone());
    const names = new Map(base.tensors.map((tensor) => [tensor.name, tensor]));
    tiny.model.setWeights(
      namedWeights(tiny.model).map(({ name, variable }) => {
        return tf.tensor(new Float32Array(names.get(name)?.bytes.buffer as ArrayBuffer), variable.shape);
      }),
    );
    const measured = await tiny.task.evaluate(tiny.validation);
    tiny.model.setWeights(restore);
    expect(measured).toEqual(metrics.diff);
  });
});

test('trainDiff() leaks no tensors', async () => {
  const options = {
    task: tiny.task,
    train: tiny.train,
    validation: tiny.validation,
    budget: '4%',
    ...QUICK,
  };
  await trainHashDiff(options);
  const before = tf.memory().numTensors;
  await trainHashDiff(options);
  await trainSparseDiff({ ...options, selection: 'anneal' });
  expect(tf.memory().numTensors).toBe(before);
});

test('trainDiff() uses the full fine-tune it is given', async () => {
  const full = await fineTune({
    task: tiny.task,
    train: tiny.train,
    validation: tiny.validation,
    epochs: 4,
    seed: 7,
  });
  const options = {
    task: tiny.task,
    train: tiny.train,
    validation: tiny.validation,
    budget: '4%',
    ...QUICK,
  };
  const given = await trainHashDiff({ ...options, fullFineTune: full });
  expect(given.metrics.full).toEqual(full.metrics);
  expect(digest(given.payload)).toBe(digest((await trainHashDiff(options)).payload));
});

test('trainDiff() leaves batch-norm statistics alone: no op touches them', async () => {
  const { model } = await trainHashDiff({ task: tiny.task, train: tiny.train, budget: '4%', ...QUICK });
  const base = new Map((await baseOf()).tensors.map((tensor) => [tensor.name, tensor.bytes]));
  for (const name of ['norm/moving_mean', 'norm/moving_variance']) {
    expect(model.tensors.find((tensor) => tensor.name === name)?.bytes).toEqual(base.get(name));
  }
  expect(await fingerprint(openMemoryStore(model))).not.toBe(
    await fingerprint(openMemoryStore(await baseOf())),
  );
});

test('trainHashDiff() hashes longer blocks of weights where there are more than 2^20', async () => {
  await useBackend('wasm');
  const blockOf = async (inputs: number): Promise<number> => {
    const layer = tf.layers.dense({ inputShape: [inputs], units: 2048, kernelInitializer: 'zeros' });
    const model = tf.sequential({ layers: [layer] });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const train = { xs: tf.ones([1, inputs]), ys: tf.ones([1, 2048]) };
    const task = createTask(model);
    const short = { epochs: 1, fineTune: { epochs: 1 }, distillation: false } as const;
    const { payload } = await trainHashDiff({ task, train, budget: 20_000, ...short });
    const { diff } = await decodePayload(payload, task.weights.map(infoOf));
    tf.dispose([train.xs, train.ys]);
    model.dispose();
    return (diff.ops.find((op) => op.kind === 'hash') as HashOp).block;
  };
  expect(await blockOf(8)).toBe(8);
  expect(await blockOf(513)).toBe(32);
});
