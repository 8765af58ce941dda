import type { Data } from '../../src/train/data.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { Task } from '../../src/train/task.js';
import { median } from './median.js';

/** Examples a step. */
export const BATCH = 64;

/** Steps of a round, when ways of training take turns. */
export const ROUND_STEPS = 24;

/**
 * Times full fine-tunes that take turns.
 * @returns median milliseconds a step of each
 */
export async function timeSteps<Way extends string>(
  ways: Readonly<Record<Way, { task: Task; train: Data }>>,
  budgetMs: number,
): Promise<Record<Way, number>> {
  const entries = Object.entries(ways) as [Way, { task: Task; train: Data }][];
  const times = new Map(entries.map(([way]): [Way, number[]] => [way, []]));
  for (const start = performance.now(); performance.now() - start < budgetMs; ) {
    for (const [way, { task, train }] of entries) {
      const stamps: number[] = [];
      const onStep = (): unknown => stamps.push(performance.now());
      await fineTune({ task, train, batchSize: BATCH, epochs: 1, onStep });
      const steps = stamps.slice(1).map((stamp, i) => stamp - (stamps[i] as number));
      times.get(way)?.push(...steps);
    }
  }
  return Object.fromEntries([...times].map(([way, list]) => [way, median(list)])) as Record<Way, number>;
}
