import { beforeAll, describe, expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { searchPlan, type TrainingPlan } from '../../src/train/search-plan.js';
import type { Metrics } from '../../src/train/task.js';
import type { StepReport } from '../../src/train/training-options.js';
import { codeOf } from '../support.js';
import { createTinyTask, type TinyTask } from './tiny-task.js';

/** Examples, so many that accuracies of the runs below differ. */
const N = 1e8;

interface Result {
  readonly metrics: Metrics;
  readonly epochs: number;
}

/** Runs that do best at one rate, and improve up to some epochs; they diverge above a rate. */
function runs({ bestRate = 0.002, lastEpoch = 100, divergesFrom = 1, isLoss = false }) {
  const plans: (TrainingPlan & { from: number })[] = [];
  const run = async (plan: TrainingPlan, from?: Result): Promise<Result> => {
    plans.push({ ...plan, from: from?.epochs ?? 0 });
    if (plan.learningRate >= divergesFrom) throw new NeuralDiffError('training-diverged', 'too fast');
    const epochs = (from?.epochs ?? 0) + plan.epochs;
    const distance = Math.abs(Math.log2(plan.learningRate / bestRate));
    const value = 0.9 - 0.1 * distance + 0.001 * (epochs <= lastEpoch ? epochs : -epochs);
    return { metrics: isLoss ? { loss: -value } : { accuracy: value, loss: 1 }, epochs };
  };
  return { plans, run };
}

describe('searchPlan()', () => {
  test.each([
    ['a high rate', { bestRate: 0.008 }, 0.008],
    ['a low rate', { bestRate: 0.0005 }, 0.0005],
    ['the first rate', { bestRate: 0.002 }, 0.002],
    ['a rate below those that diverge', { bestRate: 0.1, divergesFrom: 0.01 }, 0.008],
    ['a rate below a first that diverges', { bestRate: 0.1, divergesFrom: 0.001 }, 0.0005],
    ['the highest of all rates', { bestRate: 10, divergesFrom: 100 }, 0.016],
    ['a rate by the loss', { bestRate: 0.004, isLoss: true }, 0.004],
  ])('finds %s', async (_name, setting, expected) => {
    const { plan } = await searchPlan(N, runs(setting).run);
    expect(plan.learningRate).toBe(expected);
  });

  test('goes on from the best short run until it no longer improves, and returns what was best', async () => {
    const { plans, run } = runs({ lastEpoch: 12 });
    const { best, plan } = await searchPlan(N, run);
    expect(plan).toEqual({ learningRate: 0.002, epochs: 12, isImproving: false });
    expect(best.epochs).toBe(12);
    expect(plans.map(({ from, epochs }) => [from, epochs]).slice(-2)).toEqual([
      [4, 8],
      [12, 16],
    ]);
  });

  test('says that the last epochs of as many as are tried were an improvement', async () => {
    const { plan } = await searchPlan(N, runs({}).run);
    expect(plan).toEqual({ learningRate: 0.002, epochs: 28, isImproving: true });
  });

  test('takes the longer of two trainings that the examples cannot tell apart', async () => {
    const { best, plan } = await searchPlan(10, runs({ lastEpoch: 12 }).run);
    expect(plan).toEqual({ learningRate: 0.002, epochs: 28, isImproving: false });
    expect(best.epochs).toBe(28);
  });

  test('refuses as training-diverged if every rate diverges', async () => {
    expect(await codeOf(() => searchPlan(N, runs({ divergesFrom: 0 }).run))).toBe('training-diverged');
  });
});

describe('fineTune()', () => {
  let tiny: TinyTask;
  beforeAll(async () => {
    tiny = await createTinyTask();
  });

  test('finds rate and epochs on a validation set, and does no worse than with the defaults', async () => {
    const reports: StepReport[] = [];
    const data = { task: tiny.task, train: tiny.train, seed: 3 };
    const onStep = (report: StepReport) => reports.push(report);
    const found = await fineTune({ ...data, validation: tiny.validation, onStep });
    const plain = await fineTune({ ...data, validation: tiny.validation, epochs: 12 });
    expect(found.plan?.epochs).toBeGreaterThanOrEqual(4);
    expect(plain.plan).toBeUndefined();
    expect(found.metrics.accuracy).toBeGreaterThanOrEqual((plain.metrics.accuracy as number) - 0.01);
    expect(reports.map(({ done }) => done)).toEqual(reports.map((_, i) => i + 1));
    expect(reports.at(-1)?.total).toBe(reports.length);
    expect(
      reports.every(({ epoch, epochs }, i) => epoch < epochs && epoch >= (reports[i - 1]?.epoch ?? 0)),
    ).toBe(true);
  });

  test('gives the same weights for the same seed', async () => {
    const options = { task: tiny.task, train: tiny.train, validation: tiny.validation, seed: 5 };
    const [first, second] = [await fineTune(options), await fineTune(options)];
    expect(second.weights).toEqual(first.weights);
    expect(second.plan).toEqual(first.plan);
  });

  test('uses the defaults without a validation set', async () => {
    const epochs = new Set<number>();
    const onStep = (report: StepReport) => epochs.add(report.epochs);
    const { plan } = await fineTune({ task: tiny.task, train: tiny.train, onStep });
    expect(plan).toBeUndefined();
    expect([...epochs]).toEqual([12]);
  });
});
