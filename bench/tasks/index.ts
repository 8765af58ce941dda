import { email } from './email.js';
import { emoji } from './emoji.js';
import { garments } from './garments.js';
import { intents } from './intents.js';
import { keywords } from './keywords.js';
import type { BenchTask } from './task.js';

/** The tasks that accuracy is measured on. */
export const TASKS: readonly BenchTask[] = [keywords, garments, intents, emoji, email];

/**
 * Finds a task.
 *
 * @throws RangeError for a name that no task has, with those there are
 */
export function findTask(name: string): BenchTask {
  const task = TASKS.find((candidate) => candidate.name === name);
  if (task) return task;
  const names = TASKS.map((candidate) => candidate.name).join(', ');
  throw new RangeError(`Cannot find task "${name}": expected one of ${names}`);
}
