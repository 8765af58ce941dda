import { expect, test } from 'vitest';
import { findTask, TASKS } from '../../bench/tasks/index.js';

test('findTask() finds each task by its name and refuses others with those there are', () => {
  for (const task of TASKS) expect(findTask(task.name)).toBe(task);
  expect(() => findTask('kites')).toThrow('expected one of keywords, garments, intents, emoji, email');
});

test('a task loads stages with what each adds, and makes a model with an output a label', async () => {
  const { labels, classes, stages, createModel } = await findTask('intents').load({ seed: 1, quick: true });
  expect(classes).toBe(labels.length);
  expect(stages.map(({ adds }) => adds.length > 0)).toEqual(stages.map(() => true));
  expect(createModel(1).outputs[0]?.shape).toEqual([null, classes]);
});

test('a task without a folder of its own refuses one', async () => {
  await expect(findTask('intents').load({ seed: 1, data: 'folder' })).rejects.toThrow(RangeError);
});

test('a task that was stopped before it loads says why', async () => {
  const signal = AbortSignal.abort(new Error('stopped by the caller'));
  await expect(findTask('intents').load({ seed: 1, signal })).rejects.toThrow('stopped by the caller');
});
