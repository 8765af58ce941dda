import { beforeAll, describe, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { usualEpochs } from '../../src/train/diff-schedule.js';
import type { TrainDiffOptions } from '../../src/train/train-diff.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

let tiny: TinyTask;
beforeAll(async () => {
  tiny = await createTinyTask();
});

test.each([
  [1, 72],
  [41, 72],
  [42, 72],
  [50, 60],
  [101, 30],
  [125, 24],
  [10_000, 24],
])('sets of %i batches are trained on for %i epochs by default', (batches, epochs) => {
  expect(usualEpochs(batches)).toBe(epochs);
});

describe('the epochs of a diff', () => {
  /** @returns epochs of the diff, and how many steps have been made */
  async function run(more: Partial<TrainDiffOptions>): Promise<[number, number]> {
    let steps = 0;
    const { epochs } = await trainHashDiff({
      task: tiny.task,
      train: tiny.train,
      budget: '4%',
      batchSize: QUICK.batchSize,
      fineTune: { epochs: 1 },
      onStep: ({ phase }) => {
        if (phase === 'diff') steps++;
      },
      ...more,
    });
    return [epochs.length, steps];
  }
  /** Of the 384 examples. */
  const BATCHES = 12;

  test('follow from the batches unless they are set', async () => {
    expect(await run({})).toEqual([72, 72 * BATCHES]);
    expect(await run({ epochs: 3 })).toEqual([3, 3 * BATCHES]);
  });

  test('are multiplied by a scale, which leaves two of more', async () => {
    expect(await run({ epochScale: 0.125 })).toEqual([9, 9 * BATCHES]);
    expect(await run({ epochs: 6, epochScale: 0.1 })).toEqual([2, 2 * BATCHES]);
    expect(await run({ epochs: 1, epochScale: 0.1 })).toEqual([1, BATCHES]);
    expect(await run({ epochs: 2, epochScale: 2 })).toEqual([4, 4 * BATCHES]);
    for (const epochScale of [0, Number.NaN, 2_000])
      await expect(run({ epochScale })).rejects.toThrow('Cannot use epochScale');
  });
});
