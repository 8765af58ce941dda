import { checkNumber } from './check.js';
import { countBatches, type Data } from './data.js';
import type { Task } from './task.js';
import type { LoopOptions } from './training-options.js';

/** Epochs by default: as many as make so many steps, from the fewest to the most. */
const EPOCHS = { least: 24, steps: 3_000, most: 72 };

/** Fewest epochs that a scale leaves of more. */
const LEAST_SCALED = 2;

/** Peak learning rate of short runs; changes are in units of the full fine-tune's. */
const RATE = 0.1;

/**
 * Longer runs need lower rates, or they do not settle: those of networks with embeddings far lower ones.
 *
 * @returns the peak learning rate of a diff by its number of steps
 */
export function usualRate({ hasEmbeddings }: { hasEmbeddings: boolean }): (steps: number) => number {
  if (hasEmbeddings) return (steps) => RATE * Math.min(1, 1_250 / steps);
  return (steps) => RATE * Math.min(1, Math.sqrt(2_000 / steps));
}

/** @returns the epochs of a diff by default: short runs come less close to the full fine-tune */
export function usualEpochs(stepsPerEpoch: number): number {
  return Math.min(EPOCHS.most, Math.max(EPOCHS.least, Math.ceil(EPOCHS.steps / stepsPerEpoch)));
}

/** What the epochs of a diff follow from. */
interface Schedule {
  readonly task: Task;
  readonly train: Data;
  readonly epochs?: number | undefined;
  readonly epochScale?: number | undefined;
}

/** @throws RangeError */
export function checkEpochScale({ epochScale }: Pick<Schedule, 'epochScale'>): void {
  checkNumber('epochScale', epochScale, { least: 2 ** -10, most: 2 ** 10 });
}

/** @returns the loop of a diff with its epochs: those set or, by the number of batches, by default, scaled */
export async function withEpochs(loop: LoopOptions, schedule: Schedule): Promise<LoopOptions> {
  const { task, train, epochScale = 1 } = schedule;
  const { epochs = usualEpochs(await countBatches(train, task, loop.batchSize)) } = schedule;
  return { ...loop, epochs: Math.max(Math.round(epochs * epochScale), Math.min(epochs, LEAST_SCALED)) };
}
