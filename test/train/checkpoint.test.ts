import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { type FineTuneOptions, fineTune } from '../../src/train/fine-tune.js';
import type { Checkpoints } from '../../src/train/training-options.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';
import { createWordTask } from './word-task.js';

let tiny: TinyTask;
beforeAll(async () => {
  tiny = await createTinyTask();
});

/** Keeps copies of states, and stops the job in place of every third one that it is given. */
class Interruptions implements Checkpoints {
  readonly #states: unknown[] = [];
  #runs = 0;
  #writes = 0;
  stops = 0;

  restart(): void {
    this.#runs = 0;
  }

  next() {
    const run = this.#runs++;
    return {
      read: async () => structuredClone(this.#states[run]),
      write: async (state: unknown) => {
        if (++this.#writes % 3 === 0) {
          this.stops++;
          throw new Stopped();
        }
        this.#states[run] = structuredClone(state);
      },
    };
  }
}

class Stopped extends Error {}

/** Starts a job again and again until it ends. */
async function trainInPieces<T>(train: (checkpoints: Checkpoints) => Promise<T>) {
  const checkpoints = new Interruptions();
  for (;;) {
    checkpoints.restart();
    try {
      return { result: await train(checkpoints), stops: checkpoints.stops };
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }
}

describe('a job that is stopped and goes on makes the payload of one that is not', () => {
  test.each([
    ['hash', 'in small steps', {}, trainHashDiff],
    ['hash', 'with a fine-tune of a searched plan', { fineTune: {} }, trainHashDiff],
    ['hash', 'with two teachers', { distillation: { teachers: 2 } }, trainHashDiff],
    ['sparse', 'rewound', {}, trainSparseDiff],
    ['sparse', 'annealed', { selection: 'anneal' as const, epochs: 12 }, trainSparseDiff],
  ])('%s, %s', async (_kind, _what, options, train) => {
    const { task, train: data, validation } = tiny;
    const settings = { task, train: data, validation, ...QUICK, budget: '15%', ...options };
    const whole = await train(settings);
    const { result, stops } = await trainInPieces((checkpoints) => train({ ...settings, checkpoints }));
    expect(stops).toBeGreaterThan(3);
    expect(result.payload).toEqual(whole.payload);
    expect([result.metrics, result.epochs]).toEqual([whole.metrics, whole.epochs]);
  });

  test.each([
    ['hash', trainHashDiff],
    ['sparse', trainSparseDiff],
  ])('%s, of a model with an embedding', async (_kind, train) => {
    const settings = await createWordTask();
    const whole = await train(settings);
    const { result } = await trainInPieces((checkpoints) => train({ ...settings, checkpoints }));
    expect(result.payload).toEqual(whole.payload);
  });
});

describe('a full fine-tune that is stopped and goes on has the bits of one that is not', () => {
  test.each([
    ['Adam', undefined],
    ['Adamax', () => tf.train.adamax(0.01)],
    ['momentum', () => tf.train.momentum(0.01, 0.9)],
    ['RMSProp', () => tf.train.rmsprop(0.001)],
    ['Adagrad', () => tf.train.adagrad(0.01)],
    ['Adadelta', () => tf.train.adadelta(0.1)],
    ['gradient descent', () => tf.train.sgd(0.01)],
  ] as [string, FineTuneOptions['optimizer']][])('%s', async (_name, optimizer) => {
    const { task, train } = tiny;
    const settings = { task, train, epochs: 6, seed: 3, optimizer };
    const whole = await fineTune(settings);
    const { result, stops } = await trainInPieces((checkpoints) => fineTune({ ...settings, checkpoints }));
    expect(stops).toBeGreaterThan(1);
    expect(result.deltas).toEqual(whole.deltas);
    expect(result.fisher).toEqual(whole.fisher);
  });
});

test('an optimiser of a class of its own has no state that could be kept: its run starts again', async () => {
  class Own extends tf.SGDOptimizer {
    static override readonly className = 'Own';
  }
  const { task, train } = tiny;
  const settings = { task, train, epochs: 3, optimizer: (rate: number) => new Own(rate) };
  const { result, stops } = await trainInPieces((checkpoints) => fineTune({ ...settings, checkpoints }));
  expect(stops).toBe(0);
  expect(result.deltas).toEqual((await fineTune(settings)).deltas);
});

test('the state of a run with another seed is not used', async () => {
  const { task, train } = tiny;
  const settings = { task, train, epochs: 4 };
  const states = new Interruptions();
  await expect(fineTune({ ...settings, seed: 1, checkpoints: states })).rejects.toThrow(Stopped);
  states.restart();
  const other = await fineTune({ ...settings, seed: 2, checkpoints: onlyReads(states) });
  expect(other.deltas).toEqual((await fineTune({ ...settings, seed: 2 })).deltas);
});

function onlyReads(checkpoints: Checkpoints): Checkpoints {
  return { next: () => ({ read: () => checkpoints.next().read(), write: async () => {} }) };
}
