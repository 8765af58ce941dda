import { createTeacher } from '../../src/train/distillation.js';
import { materialiseValues, trainParts } from '../../src/train/loop.js';
import type { DiffPart } from '../../src/train/part.js';
import { withBaseRestored } from '../../src/train/session.js';
import type { BaselineContext, BaselineResult } from './baseline.js';
import { type Cost, costBytes } from './entropy.js';

/** What is trained, and what it says of itself when it is. */
export interface TrainedSetup {
  readonly parts: readonly DiffPart[];
  /** Unless the context has one. */
  readonly learningRate: number;
  costs(): readonly Cost[];
  settings(): BaselineResult['settings'];
}

/** Trains parts with the diffs' loop, data, steps and teacher, and frees them. */
export async function trainBaseline(context: BaselineContext, setup: TrainedSetup): Promise<BaselineResult> {
  const { task, train: data, training } = context;
  const { parts } = setup;
  const base = context.base.trainable;
  const teacher = createTeacher(task, context.full.weights, data);
  const learningRate = training.learningRate ?? setup.learningRate;
  return withBaseRestored(task, context.base, async () => {
    try {
      await trainParts({ phase: 'diff', task, data, base, parts, teacher }, { ...training, learningRate });
      for (const part of parts) await part.read();
      const bytes = costBytes(setup.costs());
      return { bytes, weights: materialiseValues(base, parts), settings: setup.settings() };
    } finally {
      teacher.dispose();
      for (const part of parts) part.dispose();
    }
  });
}

/** Trainings until a size that is known only afterwards must have met the budget. */
const ATTEMPTS = 4;

/**
 * Aims at a budget, and lower where what came of it is too large: entropies are known after training.
 *
 * @param attempt makes a result for a budget in bytes; undefined when that is impossible
 */
export async function withinBudget(
  budgetBytes: number,
  attempt: (bytes: number) => Promise<BaselineResult | undefined>,
): Promise<BaselineResult | undefined> {
  let target = budgetBytes;
  for (let i = 0; i < ATTEMPTS; i++) {
    const result = await attempt(target);
    if (result === undefined || result.bytes <= budgetBytes) return result;
    target *= (0.998 * budgetBytes) / result.bytes;
  }
  return undefined;
}
