import * as tf from '@tensorflow/tfjs';
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Baseline, BaselineContext, BaselineResult } from '../../bench/baselines/baseline.js';
import { ANY_SIZE, FIXED_SIZE } from '../../bench/baselines/index.js';
import { type FineTuned, fineTune } from '../../src/train/fine-tune.js';
import { valuesOf } from '../../src/train/part.js';
import { measure, takeBase } from '../../src/train/session.js';
import { createTinyTask, type TinyTask } from '../train/tiny-task.js';

const TRAINING = { epochs: 8, batchSize: 32, seed: 7 };
const MATRICES = ['hidden/kernel', 'middle/kernel', 'output/kernel'];
const ALL = [...FIXED_SIZE, ...ANY_SIZE];

let tiny: TinyTask;
let context: BaselineContext;
beforeAll(async () => {
  tiny = await createTinyTask();
  const { task, train, validation } = tiny;
  const full = await fineTune({ task, train, validation, epochs: 8, learningRate: 3e-3, seed: 7 });
  const budgetBytes = Number.POSITIVE_INFINITY;
  context = { task, train, base: await takeBase(task), full, budgetBytes, training: TRAINING };
});

const byName = (name: string): Baseline => ALL.find((baseline) => baseline.name === name) as Baseline;

async function run(name: string, more: Partial<BaselineContext> = {}): Promise<BaselineResult> {
  const result = await byName(name).run({ ...context, ...more });
  if (result === undefined) throw new Error(`${name} does not meet its budget`);
  return result;
}

async function accuracyOf({ weights }: BaselineResult): Promise<number> {
  const { base, task } = context;
  return (await measure(task, { base, trained: weights }, tiny.validation)).accuracy as number;
}

function changesOf({ weights }: BaselineResult, name: string): Float32Array {
  const base = valuesOf(context.base.trainable, name);
  return valuesOf(weights, name).map((weight, i) => weight - (base[i] as number));
}

const distinct = (values: Float32Array): number => new Set(values).size;

describe.each(ANY_SIZE.map(({ name }) => [name]))('%s', (name) => {
  test('meets a budget and uses it, changes the base, and gives the same again', async () => {
    const budgetBytes = 250;
    const first = await run(name, { budgetBytes });
    expect(first.bytes).toBeLessThanOrEqual(budgetBytes);
    expect(first.bytes).toBeGreaterThan(0.8 * budgetBytes);
    expect([...first.weights.keys()].sort()).toEqual([...context.base.trainable.keys()].sort());
    expect(first.weights).not.toEqual(context.base.trainable);
    expect(await run(name, { budgetBytes })).toEqual(first);
  });

  test('cannot meet a budget that biases and norms alone exceed', async () => {
    expect(await byName(name).run({ ...context, budgetBytes: 60 })).toBeUndefined();
  });
});

describe.each(FIXED_SIZE.map(({ name }) => [name]))('%s', (name) => {
  test('has a size of its own, and refuses a budget below it', async () => {
    const result = await run(name);
    expect(await run(name, { budgetBytes: result.bytes })).toEqual(result);
    expect(await byName(name).run({ ...context, budgetBytes: result.bytes - 1 })).toBeUndefined();
  });
});

/** Those that cannot say everything at any size. */
const LIMITED = ['hash-fit', 'biases'];

test.each(ALL.filter(({ name }) => !LIMITED.includes(name)).map(({ name }) => [name]))(
  '%s without a limit comes near to the full fine-tune',
  async (name) => {
    const full = context.full.metrics.accuracy as number;
    expect(await accuracyOf(await run(name))).toBeGreaterThan(full - 0.04);
  },
);

test.each(LIMITED)('%s improves on the base', async (name) => {
  const { base, task } = context;
  const before = await measure(task, { base, trained: base.trainable }, tiny.validation);
  expect(await accuracyOf(await run(name))).toBeGreaterThan((before.accuracy as number) + 0.1);
});

test('biases changes no matrix, and vectors on 15 levels', async () => {
  const result = await run('biases');
  for (const name of MATRICES) {
    expect(valuesOf(result.weights, name)).toEqual(valuesOf(context.base.trainable, name));
  }
  const levels = changesOf(result, 'norm/beta').map((change) => Math.round(1e4 * change));
  expect(distinct(levels)).toBeGreaterThan(4);
  expect(distinct(levels)).toBeLessThanOrEqual(2 * 15);
});

test('baselines leave the base in the model and no tensors behind', async () => {
  const budgetBytes = 600;
  const count = tf.memory().numTensors;
  for (const { name } of ALL) await byName(name).run({ ...context, budgetBytes });
  expect(tf.memory().numTensors).toBe(count);
  expect((await takeBase(context.task)).trainable).toEqual(context.base.trainable);
});

test('pruned keeps as many weights as it says, on 16 levels a tensor', async () => {
  const result = await run('pruned', { budgetBytes: 600 });
  const kernels = MATRICES.map((name) => valuesOf(result.weights, name));
  const survivors = kernels.reduce((sum, kernel) => sum + kernel.filter((weight) => weight !== 0).length, 0);
  expect(survivors / 1_600).toBe(result.settings.density);
  expect(survivors).toBeLessThan(1_200);
  for (const kernel of kernels) expect(distinct(kernel)).toBeLessThanOrEqual(17);
});

const rankOf = (values: Float32Array, rows: number): number => {
  const matrix = Matrix.from1DArray(rows, values.length / rows, values);
  const { diagonal } = new SingularValueDecomposition(matrix, { autoTranspose: true });
  return diagonal.filter((value) => value > 1e-4 * (diagonal[0] as number)).length;
};

test('factorised and low-rank have the ranks that they say', async () => {
  const shapes = new Map(context.base.tensors.map(({ name, shape }) => [name, shape]));
  for (const name of ['factorised', 'low-rank']) {
    const result = await run(name, { budgetBytes: 600 });
    const ranks = String(result.settings.ranks).split(', ');
    expect(ranks.length).toBeGreaterThan(0);
    for (const line of ranks) {
      const [tensor, rank] = line.split(' ') as [string, string];
      const values = name === 'low-rank' ? changesOf(result, tensor) : valuesOf(result.weights, tensor);
      expect(rankOf(values, shapes.get(tensor)?.[0] as number)).toBe(Number(rank));
    }
  }
});

test('quantised-2, quantised-4 and quantised-8 have as many levels a channel as they say', async () => {
  for (const bits of [2, 4, 8]) {
    const result = await run(`quantised-${bits}`);
    const kernel = valuesOf(result.weights, 'middle/kernel');
    for (let channel = 0; channel < 16; channel++) {
      const own = kernel.filter((_, i) => i % 16 === channel);
      expect(distinct(own)).toBeLessThanOrEqual(2 ** bits - 1);
      expect(distinct(own)).toBeGreaterThan(1);
    }
  }
});

test('one-bit changes every weight of a tensor by one magnitude, with the sign of the full fine-tune', async () => {
  const result = await run('one-bit');
  for (const name of MATRICES) {
    const changes = changesOf(result, name);
    const magnitude = Math.abs(changes[0] as number);
    const deltas = valuesOf(context.full.deltas, name);
    changes.forEach((change, i) => {
      expect(change).toBeCloseTo((deltas[i] as number) < 0 ? -magnitude : magnitude, 5);
    });
  }
});

test('top-k and one-bit-masked change as many weights as they say', async () => {
  for (const name of ['top-k', 'top-k-fisher', 'one-bit-masked']) {
    const result = await run(name, { budgetBytes: 400 });
    const changed = MATRICES.flatMap((tensor) => Array.from(changesOf(result, tensor))).filter(Boolean);
    expect(changed.length).toBeLessThanOrEqual(result.settings.positions as number);
    expect(changed.length).toBeGreaterThan(0.8 * (result.settings.positions as number));
  }
});

test('hash-fit shares one magnitude a tensor and depends on the seed', async () => {
  const result = await run('hash-fit', { budgetBytes: 400 });
  for (const name of MATRICES) {
    const magnitudes = changesOf(result, name).map((change) => Math.round(1e5 * Math.abs(change)));
    expect(distinct(magnitudes)).toBeLessThanOrEqual(4);
  }
  const other = await run('hash-fit', { budgetBytes: 400, training: { ...TRAINING, seed: 8 } });
  expect(other.weights).not.toEqual(result.weights);
});

/** A context for baselines that do not train: one matrix of zeros, and what a full fine-tune made of it. */
function handmade(values: Float32Array, shape: number[]): BaselineContext {
  const one = new Map([['a', values]]);
  const trainable = new Map([['a', new Float32Array(values.length)]]);
  const tensors = [{ name: 'a', dtype: 'float32' as const, shape }];
  const full: FineTuned = { weights: one, deltas: one, fisher: one, metrics: {}, validationExamples: 0 };
  const base = { model: { tensors: [] }, tensors, trainable, quantization: new Map(), held: new Map() };
  return { ...context, base, full };
}

test('bytes are what the formula gives by hand', async () => {
  // Two of eight positions take 6.49 bits, two unlike values 2; a scale takes 4 bytes.
  const sparse = handmade(Float32Array.of(0, 7, 0, 0, 0, 0, -7, 0), [2, 4]);
  const topK = await byName('top-k').run(sparse);
  expect([topK?.bytes, topK?.settings]).toEqual([2 + 4, { positions: 2, bits: 4 }]);
  expect(topK?.weights).toEqual(sparse.full.weights);
  // Two weights of four share a level: 2 * 1 + 2 * 2 bits.
  const model = await byName('quantised-8').run(handmade(Float32Array.of(1, 1, -1, 0), [2, 2]));
  expect(model?.bytes).toBe(1 + 4);
});
