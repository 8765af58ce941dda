import type * as tf from '@tensorflow/tfjs';
import { floatsOf } from '../model/float16.js';
import type { Quantization } from '../model/store.js';
import { DTYPES, type Model, type Tensor, type TensorInfo } from '../model/tensor.js';
import { assignValues, copyWeights, infoOf } from '../tfjs/weights.js';
import { type Data, exampleCount, isArrayData } from './data.js';
import type { Values } from './part.js';
import { valuesOf } from './part.js';
import type { Metrics, Task } from './task.js';

/** The weights that a task's variables hold when training starts, and how to get them back. */
export interface BaseWeights {
  readonly model: Model;
  readonly tensors: readonly TensorInfo[];
  /** Weights of the trainable tensors. */
  readonly trainable: Values;
  /** What the integers of tensors stand for that hold integers in place of weights. */
  readonly quantization: ReadonlyMap<string, Quantization>;
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

/** Smallest and largest integer of the dtypes that may stand for weights. */
export const INTEGER_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
};

/** @returns the scale of each element, its index modulo the array's length; 1 without a quantisation */
export function scalesOf(quantization: Quantization | undefined): Float32Array {
  const { scale } = quantization ?? { scale: 1 };
  return typeof scale === 'number' ? Float32Array.of(scale) : scale;
}

/** @returns a tensor's numbers as they are stored, as float32: halves widened, integers whole; a copy */
export function storedValues({ dtype, bytes }: Tensor): Float32Array {
  if (dtype in INTEGER_RANGES) return Float32Array.from(integersOf({ dtype, bytes }));
  return floatsOf({ dtype, bytes });
}

/** @returns the integers of an int8 or uint8 tensor, where they lie */
export function integersOf({ dtype, bytes }: Pick<Tensor, 'dtype' | 'bytes'>): Int8Array | Uint8Array {
  return dtype === 'int8' ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}

/** @returns the weights that a tensor's numbers stand for, as a copy */
export function weightsOf(tensor: Tensor, quantization: Quantization | undefined): Float32Array {
  const values = storedValues(tensor);
  if (quantization === undefined) return values;
  const { scale, zeroPoint = 0, min = 0 } = quantization;
  for (let i = 0; i < values.length; i++) {
    const each = typeof scale === 'number' ? scale : (scale[i % scale.length] as number);
    values[i] = each * ((values[i] as number) - zeroPoint) + min;
  }
  return values;
}

/** @returns the weights of some of a model's tensors as float32, as copies */
export function weightsOfModel(
  model: Model,
  names: ReadonlySet<string>,
  quantization: ReadonlyMap<string, Quantization> = new Map(),
): Map<string, Float32Array> {
  const chosen = model.tensors.filter((tensor) => names.has(tensor.name));
  return new Map(chosen.map((tensor) => [tensor.name, weightsOf(tensor, quantization.get(tensor.name))]));
}

/** @returns the task's variables for the tensors that are trained */
export function variablesOf(task: Task, base: Values): Map<string, tf.Variable> {
  return new Map(
    task.weights.filter((weight) => base.has(weight.name)).map((weight) => [weight.name, weight.variable]),
  );
}

/** Puts weights into variables. */
export function putWeights(variables: ReadonlyMap<string, tf.Variable>, weights: Values): void {
  for (const [name, variable] of variables) assignValues(variable, valuesOf(weights, name));
}
