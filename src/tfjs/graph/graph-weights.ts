import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../model/errors.js';
import { readManifestTensors } from '../../model/layers-store.js';
import type { NamedWeight } from '../weights.js';
import { internalsOf } from './graph-nodes.js';

/**
 * Lists the constants of a GraphModel in the order of its files, all of them marked as not trainable. The
 * model's tensors become variables on the first call: they can be assigned, and the model computes with what
 * they hold and frees them.
 *
 * @throws NeuralDiffError `unsupported-model` for texts
 */
export function graphWeights(model: tf.GraphModel): NamedWeight[] {
  const { executor, initializer } = internalsOf(model);
  const { weightMap } = executor;
  const entries = Object.entries(weightMap) as [string, tf.Tensor[]][];
  for (const [name, [tensor]] of entries) {
    if (tensor === undefined || tensor.dtype === 'string')
      throw unsupported(`Cannot use weight "${name}": it is a text`);
  }
  const weights = entries.map(([name, tensors]) => ({
    name,
    variable: asVariable(tensors),
    trainable: false,
  }));
  executor.weightMap = weightMap;
  if (initializer) initializer.weightMap = weightMap;
  return weights;
}

/**
 * Lists the constants of a GraphModel that is patched while it runs.
 *
 * @throws NeuralDiffError `unsupported-model` if the files hold other numbers than the model computes with
 */
export function patchableWeights(model: tf.GraphModel): NamedWeight[] {
  const { weightSpecs = [] } = internalsOf(model).artifacts;
  const quantised = weightSpecs.find(({ quantization }) => quantization !== undefined);
  if (quantised === undefined) return graphWeights(model);
  const message = `Cannot patch the live model: "${quantised.name}" is quantised in its files; patch those, and load the model again`;
  throw unsupported(message);
}

/** Replaces a tensor in place by a variable with its values. */
function asVariable(tensors: tf.Tensor[]): tf.Variable {
  const [tensor] = tensors as [tf.Tensor];
  if (tensor instanceof tf.Variable) return tensor;
  // Gradients are taken of variables that are trainable to TensorFlow.js.
  const variable = tf.variable(tensor, tensor.dtype === 'float32');
  tensor.dispose();
  tensors[0] = variable;
  return variable;
}

/**
 * Reads the weights of a GraphModel as its files store them.
 *
 * @returns undefined if the files hold what the model computes with; the quantised model otherwise
 * @throws NeuralDiffError `unsupported-model` for weights quantised to 16-bit integers, or without the files'
 *   bytes
 */
export function storedWeights(model: tf.GraphModel): ReturnType<typeof readManifestTensors> | undefined {
  const { weightSpecs = [], weightData } = internalsOf(model).artifacts;
  if (weightSpecs.every(({ quantization }) => quantization === undefined)) return undefined;
  const wide = weightSpecs.find(({ quantization }) => quantization?.dtype === 'uint16');
  if (wide) throw unsupported(`Cannot train "${wide.name}": it is quantised to 16-bit integers`);
  if (weightData === undefined)
    throw unsupported('Cannot train a quantised model: load it without "streamWeights"');
  return readManifestTensors(weightSpecs, new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData)));
}

function unsupported(message: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', message);
}
