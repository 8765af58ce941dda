import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { DType, Model, TensorInfo } from '../model/tensor.js';

/** A weight of a live model. */
export interface NamedWeight {
  /** The name under which the model is saved, without the suffix of this copy's variable. */
  readonly name: string;
  readonly variable: tf.Variable;
  readonly trainable: boolean;
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
  const weights = model.weights.map((weight) => ({
    name: weight.originalName,
    variable: weight.read() as tf.Variable,
    trainable: trainable.has(weight.id),
  }));
  const names = new Set(weights.map((weight) => weight.name));
  if (names.size === weights.length) return weights;
  throw new NeuralDiffError(
    'unsupported-model',
    `Cannot use model "${model.name}": two of its weights share a name`,
  );
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
 * @returns a model with its own copies of the bytes
 * @throws NeuralDiffError `unsupported-model` for a dtype without a place in the format
 */
export function copyWeights(weights: readonly NamedWeight[]): Model {
  const tensors = weights.map((weight) => {
    const values = weight.variable.dataSync().slice();
    return { ...infoOf(weight), bytes: new Uint8Array(values.buffer) };
  });
  return { tensors };
}

/** Replaces a variable's values by others of the same shape. */
export function assignValues(variable: tf.Variable, values: Float32Array | Int32Array | Uint8Array): void {
  // The backend may keep the array, so pass a copy that is not written again.
  const tensor = tf.tensor(values.slice(), variable.shape, variable.dtype);
  variable.assign(tensor);
  tensor.dispose();
}
