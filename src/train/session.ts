import { DTYPES, type Model, type Quantizations, type TensorInfo } from '../model/index.js';
import { copyWeights, infoOf } from '../tfjs/index.js';
import { type Data, exampleCount, isArrayData } from './data.js';
import { putWeights, variablesOf } from './loop.js';
import type { Values } from './part.js';
import { weightsOfModel } from './stored.js';
import type { Metrics, Task } from './task.js';

/** The weights that a task's variables hold when training starts, and how to get them back. */
export interface BaseWeights {
  readonly model: Model;
  readonly tensors: readonly TensorInfo[];
  /** Weights of the trainable tensors. */
  readonly trainable: Values;
  /** What the integers of tensors stand for that hold integers in place of weights. */
  readonly quantization: Quantizations;
}

/**
 * Takes down the base from the task's variables.
 *
 * @throws TypeError when no weight is trainable
 */
export function takeBase(task: Task): BaseWeights {
  const model = copyWeights(task.weights);
  const names = new Set(
    task.weights.filter((w) => w.trainable && w.variable.dtype === 'float32').map((w) => w.name),
  );
  if (names.size === 0) throw new TypeError('Cannot train: the model has no trainable float32 weights');
  const trainable = weightsOfModel(model, names);
  return { model, tensors: task.weights.map(infoOf), trainable, quantization: new Map() };
}

/** Runs something and puts every weight of the base back into the task's variables, whatever happened. */
export async function withBaseRestored<T>(task: Task, base: BaseWeights, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } finally {
    putBase(task, base);
  }
}

/**
 * Measures the task with some weights in its variables and the base's values in all others: training may have moved
 * those, and no device will have what it moved them to.
 */
export async function measure(
  task: Task,
  weights: { base: BaseWeights; trained: Values },
  data: Data,
): Promise<Metrics> {
  putBase(task, weights.base);
  putWeights(variablesOf(task, weights.trained), weights.trained);
  return task.evaluate(data);
}

/** Puts every float weight of the base into the task's variables. */
export function putBase(task: Task, { model, quantization }: BaseWeights): void {
  const weights = model.tensors.filter(
    ({ name, dtype }) => DTYPES[dtype].kind === 'float' || quantization.has(name),
  );
  const values = weightsOfModel(model, new Set(weights.map(({ name }) => name)), quantization);
  putWeights(variablesOf(task, values), values);
}

/** Checks data before any time is spent on it. */
export function checkData(task: Task, data: Data): void {
  if (isArrayData(data)) exampleCount(data, task);
}
