import type * as tf from '@tensorflow/tfjs';
import { floatsOf, isFloat } from '../model/float16.js';
import type { Quantization } from '../model/store.js';
import type { Model, Tensor, TensorInfo } from '../model/tensor.js';
import { assignValues, copyWeights, infoOf, type NamedWeight } from '../tfjs/weights.js';
import { borrowBatches, checkFinite, type Data, exampleCount, isArrayData } from './data.js';
import { explainingMemory } from './memory.js';
import { type Values, valuesOf } from './part.js';
import { type Selection, selectNames } from './selection.js';
import type { Metrics, Task } from './task.js';

/** The initial weights of a task's variables, in stored form, so that they can be restored. */
export interface BaseWeights {
  readonly model: Model;
  readonly tensors: readonly TensorInfo[];
  /** Weights of the tensors to train: views of the model where it stores float32. */
  readonly trainable: Values;
  /** Quantisation of tensors that store integers. */
  readonly quantization: ReadonlyMap<string, Quantization>;
  /** By name, the data of variables that hold the base's weights, as long as those are not trained. */
  readonly held: Map<string, tf.DataId>;
}

/** Float32 values of tensors by name, not necessarily all in memory. */
export type ValueSource = Pick<Values, 'has' | 'get'>;

/**
 * Selects the weights of a task to train.
 *
 * @param selection all that are trainable by default
 * @throws TypeError if no weight is trainable; RangeError for a selection without weights
 */
export function selectWeights(task: Task, selection: Selection = {}): NamedWeight[] {
  const trained = task.weights.filter(({ trainable, variable }) => trainable && variable.dtype === 'float32');
  if (trained.length === 0) throw new TypeError('Cannot train: the model has no trainable float32 weights');
  const names = selectNames(
    trained.map(({ name }) => name),
    selection,
  );
  return trained.filter(({ name }) => names.has(name));
}

/**
 * Copies the base from the task's variables.
 *
 * @param selection the weights to train; all that are trainable by default
 * @param known values that are used where the variables hold the same, so that they are in memory once
 * @throws as `selectWeights`
 */
export async function takeBase(task: Task, selection: Selection = {}, known?: Values): Promise<BaseWeights> {
  const names = new Set(selectWeights(task, selection).map(({ name }) => name));
  const model = await copyWeights(task.weights, known);
  const held = new Map(task.weights.map(({ name, variable }) => [name, variable.dataId]));
  const trainable = weightsOfModel(model, names);
  return { model, tensors: task.weights.map(infoOf), trainable, quantization: new Map(), held };
}

/** Variables that are being trained. */
const IN_TRAINING = new WeakSet<tf.Variable>();

/**
 * Runs the training of a task. Another one at the same time would start from weights that this one has
 * changed, and restore those.
 *
 * @throws TypeError if variables of the task are being trained
 */
export async function withTraining<T>({ weights }: Task, run: () => Promise<T>): Promise<T> {
  const variables = weights.map(({ variable }) => variable);
  if (variables.some((variable) => IN_TRAINING.has(variable)))
    throw new TypeError('Cannot train: the model is already being trained; wait for the end of that run');
  for (const variable of variables) IN_TRAINING.add(variable);
  try {
    return await run();
  } finally {
    for (const variable of variables) IN_TRAINING.delete(variable);
  }
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
 *
 * @throws NeuralDiffError `no-memory`
 */
export async function measure(
  task: Task,
  { base, trained }: { base: BaseWeights; trained: ValueSource },
  data: Data,
): Promise<Metrics> {
  putBase(task, base, trained);
  putWeights(variablesOf(task, trained), trained);
  return explainingMemory(
    {
      name: 'measure the model',
      instead: 'set a smaller "evaluationBatchSize" (in a recipe, "microBatchSize")',
    },
    () => task.evaluate(data),
  );
}

/**
 * Sets the task's variables to the floating-point weights of the base: those that are trained, and those that
 * hold others.
 *
 * @param except weights that are set otherwise
 */
export function putBase(task: Task, base: BaseWeights, except?: Pick<ValueSource, 'has'>): void {
  const { model, quantization, trainable, held } = base;
  const stored = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  for (const { name, variable } of task.weights) {
    const tensor = stored.get(name);
    if (tensor === undefined || !(isFloat(tensor.dtype) || quantization.has(name)) || except?.has(name))
      continue;
    if (!trainable.has(name) && held.get(name) === variable.dataId) continue;
    assignValues(variable, weightsOf(tensor, quantization.get(name)));
    held.set(name, variable.dataId);
  }
}

/**
 * Tests the task's gradients on the first examples of a set.
 *
 * @throws NeuralDiffError `unsupported-model`; `bad-data` for inputs that are not finite
 */
export async function checkGradients(task: Task, data: Data): Promise<void> {
  if (!task.checkGradients) return;
  for await (const batch of borrowBatches(data, task, { batchSize: 2, seed: 0, epoch: 0 })) {
    try {
      await task.checkGradients(batch.xs);
    } catch (error) {
      await checkFinite(batch, task);
      throw error;
    }
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
function storedValues({ dtype, bytes }: Tensor): Float32Array {
  if (dtype in INTEGER_RANGES) return Float32Array.from(integersOf({ dtype, bytes }));
  return floatsOf({ dtype, bytes });
}

/** @returns a tensor's stored numbers as float32: a view of float32 ones that are aligned in their buffer */
export function borrowStored(tensor: Tensor): Float32Array {
  const { dtype, bytes } = tensor;
  if (dtype !== 'float32' || bytes.byteOffset % 4 !== 0) return storedValues(tensor);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** @returns a view of the integers of an int8 or uint8 tensor */
function integersOf({ dtype, bytes }: Pick<Tensor, 'dtype' | 'bytes'>): Int8Array | Uint8Array {
  return dtype === 'int8' ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}

/** @returns the weights that a tensor's numbers represent: a view if it stores them */
function weightsOf(tensor: Tensor, quantization: Quantization | undefined): Float32Array {
  if (quantization === undefined) return borrowStored(tensor);
  const values = storedValues(tensor);
  const { scale, zeroPoint = 0, min = 0 } = quantization;
  for (let i = 0; i < values.length; i++) {
    const each = typeof scale === 'number' ? scale : (scale[i % scale.length] as number);
    values[i] = each * ((values[i] as number) - zeroPoint) + min;
  }
  return values;
}

/** @returns the weights of some of a model's tensors, as float32: views of those that it stores so */
export function weightsOfModel(
  model: Model,
  names: ReadonlySet<string>,
  quantization: ReadonlyMap<string, Quantization> = new Map(),
): Map<string, Float32Array> {
  const chosen = model.tensors.filter((tensor) => names.has(tensor.name));
  return new Map(chosen.map((tensor) => [tensor.name, weightsOf(tensor, quantization.get(tensor.name))]));
}

/** @returns the task's variables of the given tensors */
export function variablesOf(task: Task, names: Pick<ValueSource, 'has'>): Map<string, tf.Variable> {
  const chosen = task.weights.filter(({ name }) => names.has(name));
  return new Map(chosen.map(({ name, variable }) => [name, variable]));
}

/** Assigns weights to variables. */
export function putWeights(variables: ReadonlyMap<string, tf.Variable>, weights: ValueSource): void {
  for (const [name, variable] of variables) assignValues(variable, valuesOf(weights, name));
}
