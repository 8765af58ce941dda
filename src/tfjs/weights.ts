import * as tf from '@tensorflow/tfjs';
import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import type { DType, Model, Tensor, TensorInfo } from '../model/tensor.js';

/** A weight of a live model. */
export interface NamedWeight {
  /** The name under which the model is saved, without the suffix of this copy's variable. */
  readonly name: string;
  readonly variable: tf.Variable;
  readonly trainable: boolean;
  /** Whether the model only looks up its rows by index, as an embedding layer does; unknown if absent. */
  readonly isEmbedding?: boolean;
}

/**
 * Lists the weights of a model in the order it saves them.
 *
 * @param model any LayersModel
 * @returns its weights
 * @throws NeuralDiffError `unsupported-model` if two weights share a name
 */
export function namedWeights(model: tf.LayersModel): NamedWeight[] {
  const trainable = new Set(model.trainableWeights.map((weight) => weight.id));
  const embeddings = new Set(embeddingWeights(model));
  const weights = model.weights.map((weight) => ({
    name: weight.originalName,
    variable: weight.read() as tf.Variable,
    trainable: trainable.has(weight.id),
    ...(embeddings.has(weight.id) && { isEmbedding: true }),
  }));
  const names = new Set(weights.map((weight) => weight.name));
  if (names.size === weights.length) return weights;
  throw new NeuralDiffError(
    'unsupported-model',
    `Cannot use model "${model.name}": two of its weights share a name`,
  );
}

/** @returns the ids of the weights of embedding layers, those in nested models and wrappers among them */
function embeddingWeights(container: tf.layers.Layer): number[] {
  if (container.getClassName() === 'Embedding') return container.weights.map(({ id }) => id);
  const { layers = [], layer } = container as { layers?: tf.layers.Layer[]; layer?: tf.layers.Layer };
  return [...layers, ...(layer ? [layer] : [])].flatMap(embeddingWeights);
}

/** @returns name, dtype and shape of a weight in this package's terms */
export function infoOf(weight: NamedWeight): TensorInfo {
  const { dtype, shape } = weight.variable;
  if (dtype === 'bool') return { name: weight.name, dtype: 'uint8', shape };
  if (dtype !== 'float32' && dtype !== 'int32') {
    throw new NeuralDiffError(
      'unsupported-model',
      `Cannot use weight "${weight.name}": unknown dtype "${dtype}"`,
    );
  }
  return { name: weight.name, dtype: dtype satisfies DType, shape };
}

/**
 * Copies the weights of a live model.
 *
 * @param weights from `namedWeights`, or named variables of a model that is not a LayersModel
 * @param known values to share where they are the same
 * @returns a model with its own copies of all other bytes
 * @throws NeuralDiffError `unsupported-model` for a dtype without a place in the format
 */
export async function copyWeights(
  weights: readonly NamedWeight[],
  known: Pick<ReadonlyMap<string, Float32Array>, 'get'> = new Map(),
): Promise<Model> {
  const tensors: Tensor[] = [];
  for (const weight of weights) {
    const bytes = bytesOf(await copyValues(weight.variable));
    const values = known.get(weight.name);
    const same = values && bytesOf(values);
    tensors.push({ ...infoOf(weight), bytes: same && equalBytes(same, bytes) ? same : bytes });
  }
  return { tensors };
}

/** @returns a copy of a tensor's values, of backends that cannot read synchronously, too */
export async function copyValues(tensor: tf.Tensor): Promise<tf.TypedArray> {
  return own((await tensor.data()) as tf.TypedArray);
}

/** @returns a copy of a tensor's values, from backends that read synchronously */
export function copyValuesSync(tensor: tf.Tensor): tf.TypedArray {
  return own(tensor.dataSync() as tf.TypedArray);
}

/** The wasm backend copies arrays that are read or written; others may share them with their tensors. */
function own<T extends tf.TypedArray>(values: T): T {
  return (tf.getBackend() === 'wasm' ? values : values.slice()) as T;
}

/** @returns a view of the bytes of typed values */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Values of a variable: of float32, of int32, of bool. */
type VariableValues = Float32Array | Int32Array | Uint8Array;

/** @returns a tensor with a copy of some values */
export function createTensor(values: VariableValues, shape: readonly number[]): tf.Tensor {
  const integers = values instanceof Int32Array ? 'int32' : 'bool';
  return tf.tensor(own(values), [...shape], values instanceof Float32Array ? 'float32' : integers);
}

/** Replaces a variable's values by others of the same shape. */
export function assignValues(variable: tf.Variable, values: VariableValues): void {
  const tensor = createTensor(values, variable.shape);
  variable.assign(tensor);
  tensor.dispose();
}
