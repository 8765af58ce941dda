import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { createTeacher } from '../../src/train/distillation.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { type LossJob, lossGradients } from '../../src/train/gradients.js';
import { variablesOf } from '../../src/train/session.js';
import { createTinyTask, QUICK, type TinyTask } from './tiny-task.js';

let tiny: TinyTask;
beforeAll(async () => {
  tiny = await createTinyTask();
});

/** The first examples of the training set as a batch. */
function firstExamples(count: number) {
  const { xs, ys } = tiny.train as { xs: tf.Tensor; ys: tf.Tensor };
  const indexes = tf.range(0, count, 1, 'int32');
  return { xs: [xs.slice(0, count)], ys: [ys.slice(0, count)], indexes };
}

test.each([1, 5, 12])(
  'gradients of micro-batches of %i add up to those of the batch',
  async (microBatchSize) => {
    const { weights } = await fineTune({ task: tiny.task, train: tiny.train, epochs: 1 });
    const teacher = createTeacher(tiny.task, weights, tiny.train);
    const job: LossJob = { task: tiny.task, teacher };
    const variables = variablesOf(tiny.task, weights);
    tf.tidy(() => {
      const batch = firstExamples(13);
      const whole = lossGradients(job, batch, { variables });
      const summed = lossGradients(job, batch, { variables, microBatchSize });
      expect(summed.loss.dataSync()[0]).toBeCloseTo(whole.loss.dataSync()[0] as number, 5);
      expect([...summed.gradients.keys()]).toEqual([...variables.keys()]);
      for (const [name, gradient] of whole.gradients) {
        const found = summed.gradients.get(name) as tf.Tensor;
        const error = tf.max(tf.abs(tf.sub(found, gradient))).dataSync()[0] as number;
        const largest = tf.max(tf.abs(gradient)).dataSync()[0] as number;
        expect(largest).toBeGreaterThan(0);
        expect(error).toBeLessThan(1e-5 * largest);
      }
    });
    teacher.dispose();
  },
);

test('trainHashDiff() in micro-batches learns as much, and leaks nothing', async () => {
  const options = {
    ...QUICK,
    task: tiny.task,
    train: tiny.train,
    validation: tiny.validation,
    budget: '15%',
  };
  const whole = await trainHashDiff(options);
  const before = tf.memory().numTensors;
  const pieces = await trainHashDiff({ ...options, microBatchSize: 7 });
  expect(tf.memory().numTensors).toBe(before);
  for (const each of ['full', 'diff'] as const) {
    const [a, b] = [whole.metrics[each].loss as number, pieces.metrics[each].loss as number];
    expect(Math.abs(b / a - 1)).toBeLessThan(0.05);
  }
  const larger = await trainHashDiff({ ...options, microBatchSize: 100 });
  expect(larger.payload).toEqual(whole.payload);
});

test.each([0, 2.5, -1, Number.NaN])('fineTune() refuses micro-batches of %d', async (microBatchSize) => {
  const run = fineTune({ task: tiny.task, train: tiny.train, microBatchSize });
  await expect(run).rejects.toThrow(RangeError);
});
