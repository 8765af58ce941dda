import { toArrays } from '../../examples/common/task.js';
import { type TrainingPlan, trainBase } from '../../examples/common/train-base.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import { type FineTuned, fineTune } from '../../src/train/fine-tune.js';
import type { Values } from '../../src/train/part.js';
import { measure, takeBase, withBaseRestored } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import type { BenchTask, Stage, TaskData } from '../tasks/task.js';

/** The trainers of diffs by kind. */
export const TRAINERS = { hash: trainHashDiff, sparse: trainSparseDiff } as const;

/** Epochs of diffs and of trained baselines, times those of the tuned full fine-tune. */
export const LONGER = 2;

/** One task with one seed. */
export interface Unit {
  readonly task: string;
  readonly seed: number;
  readonly quick: boolean;
  readonly data?: string | undefined;
}

/** A trained base, ready for updates. */
export interface Prepared {
  readonly data: TaskData;
  readonly task: Task;
  /** Weights of the model. */
  readonly weights: number;
}

/** Loads a task's data and trains its base model. */
export async function prepare(benchTask: BenchTask, { seed, quick, data: folder }: Unit): Promise<Prepared> {
  const data = await benchTask.load({ seed, quick, data: folder });
  await useBackend('wasm');
  const model = data.createModel(seed);
  const [stage] = data.stages as [Stage];
  await trainBase(model, stage.train, { ...data.baseTraining, seed });
  return { data, task: createTask(model), weights: model.countParams() };
}

/** The examples of a stage on this thread's backend; the caller disposes of them with it. */
export type StageArrays = Record<'train' | 'validation' | 'test', ReturnType<typeof toArrays>>;

export function arraysOf(stage: Stage, classes: number): StageArrays {
  const { train, validation, test } = stage;
  return {
    train: toArrays(train, classes),
    validation: toArrays(validation, classes),
    test: toArrays(test, classes),
  };
}

/** @returns accuracy on the test set with some weights in place of the base's; the base is put back */
export async function accuracyOf(
  { task, arrays }: { task: Task; arrays: StageArrays },
  trained: Values,
): Promise<number> {
  const base = takeBase(task);
  const { accuracy } = await withBaseRestored(task, base, () =>
    measure(task, { base, trained }, arrays.test),
  );
  return accuracy as number;
}

/** A full fine-tune and how it was tuned. */
export interface Tuned {
  readonly full: FineTuned;
  readonly plan: TrainingPlan;
  /** In words: what was tried and what was taken. */
  readonly tuning: string;
}

/** Learning rates, times that of the task's own plan, and epochs, times its own. */
const RATES = [1, 2];
const LENGTHS = [1, 2];

/**
 * Tunes the full fine-tune: all combinations of learning rates and epochs are trained, the one that does best
 * on the validation set is taken. The test set is not looked at.
 */
export async function tuneFull(
  task: Task,
  arrays: StageArrays,
  { plan, seed, quick }: { plan: TrainingPlan; seed: number; quick: boolean },
): Promise<Tuned> {
  const plans = LENGTHS.slice(0, quick ? 1 : undefined).flatMap((length) =>
    RATES.slice(0, quick ? 1 : undefined).map((rate) => ({
      ...plan,
      epochs: length * plan.epochs,
      learningRate: rate * plan.learningRate * (quick ? 2 : 1),
    })),
  );
  const tried: { full: FineTuned; plan: TrainingPlan }[] = [];
  for (const each of plans) {
    const full = await fineTune({ task, train: arrays.train, validation: arrays.validation, ...each, seed });
    tried.push({ full, plan: each });
  }
  const accuracyOf = ({ full }: (typeof tried)[number]): number => full.metrics.accuracy as number;
  const best = tried.reduce((a, b) => (accuracyOf(b) > accuracyOf(a) ? b : a));
  const describe = ({ epochs, learningRate }: TrainingPlan): string => `${epochs} epochs at ${learningRate}`;
  const list = tried.map((each) => `${describe(each.plan)}: ${accuracyOf(each).toFixed(4)}`).join(', ');
  return { ...best, tuning: `${describe(best.plan)}, by validation (${list})` };
}
