import * as tf from '@tensorflow/tfjs';
import { toArrays } from '../../examples/common/task.js';
import { trainBase } from '../../examples/common/train-base.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { createTask } from '../../src/train/create-task.js';
import type { Values } from '../../src/train/part.js';
import { measure, takeBase, withBaseRestored } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import type { BenchTask, Stage, TaskData } from '../tasks/task.js';
import { digestOfWeights, keep } from './keep.js';

/** What makes a task's data and its base model. */
export const TASK_PROGRAMS: readonly URL[] = [
  new URL('../tasks/index.js', import.meta.url),
  new URL('../../examples/common/train-base.js', import.meta.url),
];

/** One task with one seed. */
export interface Unit {
  readonly task: string;
  readonly seed: number;
  readonly quick: boolean;
  /** Every method, not only those that may win. */
  readonly all?: boolean;
  readonly data?: string | undefined;
}

/** A trained base, ready for updates. */
export interface Prepared {
  readonly data: TaskData;
  readonly task: Task;
  /** What the task runs. */
  readonly model: tf.LayersModel;
  /** Weights of the model. */
  readonly weights: number;
  /** What results follow from, in addition to their own settings: task, data, and the base's digest. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** Loads a task's data, and trains its base model unless an earlier run has. */
export async function prepare(benchTask: BenchTask, unit: Unit): Promise<Prepared> {
  const { task: name, seed, quick, data: folder } = unit;
  const data = await benchTask.load({ seed, quick, data: folder });
  await useBackend('wasm');
  const model = data.createModel(seed);
  model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const inputs = { task: name, seed, quick, folder };
  const source = { what: 'base', programs: TASK_PROGRAMS, inputs };
  const { value: trained } = await keep(source, () => trainWeights(model, data, seed));
  const values = model.getWeights().map(({ shape }, i) => tf.tensor(trained[i] as Float32Array, shape));
  model.setWeights(values);
  tf.dispose(values);
  const digest = digestOfWeights(trained.map((values, i) => [String(i), values]));
  return {
    data,
    task: createTask(model),
    model,
    weights: model.countParams(),
    inputs: { ...inputs, base: digest },
  };
}

async function trainWeights(model: tf.LayersModel, data: TaskData, seed: number): Promise<Float32Array[]> {
  const [stage] = data.stages as [Stage];
  await trainBase(model, stage.train, { ...data.baseTraining, seed });
  return model.getWeights().map((weight) => weight.dataSync() as Float32Array);
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
  const base = await takeBase(task);
  const { accuracy } = await withBaseRestored(task, base, () =>
    measure(task, { base, trained }, arrays.test),
  );
  return accuracy as number;
}
