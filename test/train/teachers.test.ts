import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import type { Batch } from '../../src/train/data.js';
import { createTeacher, meanTeacher } from '../../src/train/distillation.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { createTinyTask, QUICK } from './tiny-task.js';

const { task, train, validation } = await createTinyTask();
const full = await fineTune({ task, train, ...QUICK.fineTune, seed: QUICK.seed });
const settings = { task, train, validation, ...QUICK, budget: '15%', fullFineTune: full };

test('several teachers teach the mean of their outputs', async () => {
  const other = await fineTune({ task, train, ...QUICK.fineTune, seed: 1007 });
  const alone = [full, other].map(({ weights }) => createTeacher(task, weights, train));
  const mean = meanTeacher([full, other].map(({ weights }) => createTeacher(task, weights, train)));
  const batch = { indexes: tf.tensor1d([0, 5, 300], 'int32') } as unknown as Batch;
  const [found] = mean.outputs(batch);
  const [a, b] = alone.map((teacher) => teacher.outputs(batch)[0] as tf.Tensor);
  const expected = tf.div(tf.add(a as tf.Tensor, b as tf.Tensor), 2);
  expect([...(found as tf.Tensor).dataSync()]).toEqual([...expected.dataSync()]);
  for (const teacher of [mean, ...alone]) teacher.dispose();
});

test('more teachers train more full fine-tunes, give another payload, and leave no tensors', async () => {
  const phases = new Map<string, number>();
  const onStep = ({ phase }: { phase: string }) => void phases.set(phase, (phases.get(phase) ?? 0) + 1);
  const one = await trainHashDiff(settings);
  const before = tf.memory().numTensors;
  const three = await trainHashDiff({ ...settings, distillation: { teachers: 3 }, onStep });
  expect(tf.memory().numTensors).toBe(before);
  expect(phases).toEqual(
    new Map([
      ['fine-tune', 2 * 4 * 12],
      ['diff', 6 * 12],
    ]),
  );
  expect(three.payload).not.toEqual(one.payload);
  expect((await trainHashDiff({ ...settings, distillation: { teachers: 1 } })).payload).toEqual(one.payload);
  expect((await trainHashDiff({ ...settings, distillation: { teachers: 3 } })).payload).toEqual(
    three.payload,
  );
});

test.each([0, 9, 1.5, Number.NaN])('%d teachers are refused', async (teachers) => {
  await expect(trainHashDiff({ ...settings, distillation: { teachers } })).rejects.toThrow(RangeError);
});
