import { expect, test } from 'vitest';
import { runTasks, type Task } from '../../../src/recipe/sweep/train-many.js';

const breath = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Makes tasks that take down in what order they begin and how many run at once. */
function recorder() {
  const begun: string[] = [];
  let running = 0;
  const record = { begun, most: 0 };
  const task =
    (name: string, next: readonly Task[] = []): Task =>
    async () => {
      begun.push(name);
      record.most = Math.max(record.most, ++running);
      await breath();
      running--;
      if (name.startsWith('bad')) throw new Error(name);
      return next;
    };
  return { record, task };
}

test.each([1, 2, 3])('runTasks() runs everything once, with a concurrency of %i', async (atOnce) => {
  const { record, task } = recorder();
  await runTasks(
    [task('a', [task('a1'), task('a2')]), task('b'), task('c', [task('c1')]), task('d')],
    atOnce,
  );
  expect([...record.begun].sort()).toEqual(['a', 'a1', 'a2', 'b', 'c', 'c1', 'd']);
  expect(record.most).toBe(atOnce);
});

test('runTasks() starts follow-up tasks first', async () => {
  const { record, task } = recorder();
  await runTasks([task('a', [task('a1'), task('a2')]), task('b', [task('b1')]), task('c')], 1);
  expect(record.begun).toEqual(['a', 'a1', 'a2', 'b', 'b1', 'c']);
});

test('runTasks() starts nothing after a failure, waits for running tasks, and throws the first failure', async () => {
  const { record, task } = recorder();
  let ended = false;
  const slow: Task = async () => {
    for (let i = 0; i < 10; i++) await breath();
    ended = true;
    throw new Error('late');
  };
  await expect(runTasks([slow, task('bad'), task('never')], 2)).rejects.toThrow('bad');
  expect([record.begun, ended]).toEqual([['bad'], true]);
});

test('runTasks() returns at once without tasks', async () => {
  await expect(runTasks([], 2)).resolves.toBeUndefined();
});
