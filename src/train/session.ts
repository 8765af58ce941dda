import type * as tf from '@tensorflow/tfjs';
import { floatsOf, isFloat } from '../model/float16.js';
import type { Quantization } from '../model/store.js';
import type { Model, Tensor, TensorInfo } from '../model/tensor.js';
import { assignValues, copyWeights, infoOf } from '../tfjs/weights.js';
import { borrowBatches, type Data, exampleCount, isArrayData } from './data.js';
import { type Values, valuesOf } from './part.js';
import { type Selection, selectNames } from './selection.js';
import type { Metrics, Task } from './task.js';

/** The initial weights of a task's variables, in stored form, so that they can be restored. */
export interface BaseWeights {
  readonly model: Model;
  readonly tensors: readonly TensorInfo[];
  /** Weights of the trainable tensors. */
  readonly trainable: Values;
  /** Quantisation of tensors that store integers. */
  readonly quantization: ReadonlyMap<string, Quantization>;
}

/**
 * Copies the base from the task's variables.
 *
 * @param selection the weights to train; all that are trainable by default
 * @throws TypeError if no weight is trainable; RangeError for a selection without weights
 */
export function takeBase(task: Task, selection: Selection = {}): BaseWeights {
  const names = trainedNames(task, selection);
  const model = copyWeights(task.weights);
  const trainable = weightsOfModel(model, names);
  return { model, tensors: task.weights.map(infoOf), trainable, quantization: new Map() };
}

/**
 * Lists the weights that are trained.
 *
 * @throws as `takeBase`
 */
export function trainedNames(task: Pick<Task, 'weights'>, selection: Selection): Set<string> {
  const trained = task.weights.filter(({ trainable, variable }) => trainable && variable.dtype === 'float32');
  if (trained.length === 0) throw new TypeError('Cannot train: the model has no trainable float32 weights');
  return selectNames(
    trained.map(({ name }) => name),
    selection,
  );
}

/**
 * Runs a function and afterwards restores every weight of the base in the task's variables, even on failure.
 */
export async function withBaseRestored<T>(task: Task, base: BaseWeights, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } finally {
    putBase(task, base);
  }
}

/**
 * Measures the task with the given weights and the base's values in all other variables: training may have
 * changed those, but payloads do not contain these changes.
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

/** Sets the task's variables to the floating-point weights of the base. */
export function putBase(task: Task, { model, quantization }: BaseWeights): void {
  const weights = model.tensors.filter(({ name, dtype }) => isFloat(dtype) || quantization.has(name));
  const values = weightsOfModel(model, new Set(weights.map(({ name }) => name)), quantization);
  putWeights(variablesOf(task, values), values);
}

/**
 * Tests the task's gradients on the first examples of a set.
 *
 * @throws NeuralDiffError `unsupported-model`
 */
export async function checkGradients(task: Task, data: Data): Promise<void> {
  if (!task.checkGradients) return;
  for await (const { xs } of borrowBatches(data, task, { batchSize: 2, seed: 0, epoch: 0 })) {
    await task.checkGradients(xs);
    return;
  }
}

/** Checks data before any time is spent on training. */
export function checkData(task: Task, data: Data): void {
  if (isArrayData(data)) exampleCount(data, task);
}

/** Smallest and largest integer of the dtypes that quantised weights use. */
export const INTEGER_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
};

/**
 * @returns the scales of a quantisation: element i has number i modulo the array's length; 1 without a
 *   quantisation
 */
export function scalesOf(quantization: Quantization | undefined): Float32Array {
  const { scale } = quantization ?? { scale: 1 };
  return typeof scale === 'number' ? Float32Array.of(scale) : scale;
}

/** @returns a copy of a tensor's stored numbers as float32 */
export function storedValues({ dtype, bytes }: Tensor): Float32Array {
  if (dtype in INTEGER_RANGES) return Float32Array.from(integersOf({ dtype, bytes }));
  return floatsOf({ dtype, bytes });
}

/** @returns a view of the integers of an int8 or uint8 tensor */
function integersOf({ dtype, bytes }: Pick<Tensor, 'dtype' | 'bytes'>): Int8Array | Uint8Array {
  return dtype === 'int8' ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}

/** @returns a copy of the weights that a tensor's numbers represent */
function weightsOf(tensor: Tensor, quantization: Quantization | undefined): Float32Array {
  const values = storedValues(tensor);
  if (quantization === undefined) return values;
  const { scale, zeroPoint = 0, min = 0 } = quantization;
  for (let i = 0; i < values.length; i++) {
    const each = typeof scale === 'number' ? scale : (scale[i % scale.length] as number);
    values[i] = each * ((values[i] as number) - zeroPoint) + min;
  }
  return values;
}

/** @returns copies of the weights of some of a model's tensors, as float32 */
export function weightsOfModel(
  model: Model,
  names: ReadonlySet<string>,
  quantization: ReadonlyMap<string, Quantization> = new Map(),
): Map<string, Float32Array> {
  const chosen = model.tensors.filter((tensor) => names.has(tensor.name));
  return new Map(chosen.map((tensor) => [tensor.name, weightsOf(tensor, quantization.get(tensor.name))]));
}

/** @returns the task's variables of the given tensors */
export function variablesOf(task: Task, base: Values): Map<string, tf.Variable> {
  return new Map(
    task.weights.filter((weight) => base.has(weight.name)).map((weight) => [weight.name, weight.variable]),
  );
}

/** Assigns weights to variables. */
export function putWeights(variables: ReadonlyMap<string, tf.Variable>, weights: Values): void {
  for (const [name, variable] of variables) assignValues(variable, valuesOf(weights, name));
}
