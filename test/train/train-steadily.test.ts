import { expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { type FineTuned, fineTune } from '../../src/train/fine-tune.js';
import { isRising } from '../../src/train/train-steadily.js';
import type { StepReport } from '../../src/train/training-options.js';
import { createTinyTask, QUICK } from './tiny-task.js';

const { task, train, validation } = await createTinyTask();
const full = await fineTune({ task, train, ...QUICK.fineTune, seed: QUICK.seed });
const settings = { task, train, validation, ...QUICK, epochs: 16, budget: '15%' };

/** A full fine-tune whose changes are so many times as large; its weights, the teacher, are the same. */
function enlarge(factor: number): FineTuned {
  const deltas = [...full.deltas].map(
    ([name, values]) => [name, values.map((value) => factor * value)] as const,
  );
  return { ...full, deltas: new Map(deltas) };
}

async function trainWith(fullFineTune: FineTuned, learningRate?: number) {
  const steps: StepReport[] = [];
  const onStep = (report: StepReport) => steps.push(report);
  const { payload, metrics } = await trainHashDiff({ ...settings, fullFineTune, learningRate, onStep });
  return { payload, steps, accuracy: metrics.diff.accuracy as number };
}

test('a run whose loss falls is not started again: the payload is that of the rate alone', async () => {
  const { payload, steps } = await trainWith(full);
  expect(steps).toHaveLength(16 * 12);
  expect(payload).toEqual((await trainWith(full, 0.1)).payload);
});

test('a run whose loss rises starts again with half the rate, and learns', async () => {
  const restarted = await trainWith(enlarge(60));
  const alone = await trainWith(enlarge(60), 0.1);
  expect(alone.steps).toHaveLength(16 * 12);
  expect(restarted.steps.length).toBeGreaterThan(16 * 12);
  expect(restarted.steps.map(({ done }) => done)).toEqual(restarted.steps.map((_, i) => i + 1));
  expect(restarted.steps.at(-1)).toMatchObject({
    done: restarted.steps.length,
    total: restarted.steps.length,
  });
  expect(restarted.accuracy).toBeGreaterThan(alone.accuracy + 0.05);
});

test('isRising() wants more than one epoch, and more than the scatter of losses near zero', () => {
  expect(isRising([4.3])).toBe(false);
  // Mean losses of runs of the small MobileNet of emoji and of the image network, and of a text network.
  expect(isRising([3.0, 4.0])).toBe(true);
  expect(isRising([2.579, 0.579, 0.24, 0.095, 0.144])).toBe(false);
  expect(isRising([4.1, 1.04, 1.19, 1.32, 1.52])).toBe(false);
  expect(isRising([4.1, 1.04, 1.19, 1.32, 1.6])).toBe(true);
});
