import { DTYPES, HALVES, type Model, type Tensor, type TensorInfo } from '../model/index.js';
import { copyWeights, infoOf } from '../tfjs/index.js';
import { type Data, exampleCount, isArrayData } from './data.js';
import { putWeights, variablesOf } from './loop.js';
import type { Values } from './part.js';
import type { Metrics, Task } from './task.js';

/** The weights that a task's variables hold when training starts, and how to get them back. */
export interface BaseWeights {
  readonly model: Model;
  readonly tensors: readonly TensorInfo[];
  /** The trainable float32 tensors. */
  readonly trainable: Values;
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
  return { model, tensors: task.weights.map(infoOf), trainable: valuesOfModel(model, names) };
}

/** @returns the values of some of a model's float tensors as float32, as copies */
export function valuesOfModel(model: Model, names: ReadonlySet<string>): Values {
  return new Map(
    model.tensors.filter((tensor) => names.has(tensor.name)).map((tensor) => [tensor.name, widen(tensor)]),
  );
}

function widen({ dtype, bytes }: Tensor): Float32Array {
  const copy = bytes.slice();
  if (dtype === 'float32') return new Float32Array(copy.buffer);
  const { widen: widenOne } = HALVES[dtype as keyof typeof HALVES];
  const bits = new Uint16Array(copy.buffer);
  const values = new Float32Array(bits.length);
  for (let i = 0; i < values.length; i++) values[i] = widenOne(bits[i] as number);
  return values;
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
export function putBase(task: Task, base: BaseWeights): void {
  const floats = base.model.tensors.filter((tensor) => DTYPES[tensor.dtype].kind === 'float');
  const values = valuesOfModel(base.model, new Set(floats.map(({ name }) => name)));
  putWeights(variablesOf(task, values), values);
}

/** Checks data before any time is spent on it. */
export function checkData(task: Task, data: Data): void {
  if (isArrayData(data)) exampleCount(data, task);
}
