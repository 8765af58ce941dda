import * as tf from '@tensorflow/tfjs';
import type { Quantization } from '../model/store.js';
import type { Model, Tensor } from '../model/tensor.js';
import type { NamedWeight } from '../tfjs/weights.js';
import type { DeviceModel } from '../train/task.js';
import { hasFloats, tensorOf } from './constants.js';
import type { OnnxConstant, OnnxModel } from './graph.js';
import { type QuantisedWeight, quantisedWeights } from './quantised.js';
import { lookedUpConstants, type Reached, reachedConstants } from './trainable.js';

/** A model's tensors as its file stores them. */
export interface StoredModel extends Model {
  /** Names of tensors that cannot be written in place, such as those stored as varints. */
  readonly readOnly?: ReadonlySet<string> | undefined;
}

/** The constants of a model; those that are trained are variables. */
export interface OnnxWeights {
  readonly trained: readonly NamedWeight[];
  readonly stored: DeviceModel;
  /** Variables that stand for values that a node computes from integers, by the value's name. */
  readonly dequantised: ReadonlyMap<string, string>;
  /** @returns the values of a constant */
  constant(constant: OnnxConstant): tf.Tensor;
  dispose(): void;
}

/**
 * Numbers from here on are no weights but take the place of minus infinity, as in masks of attention. Trained
 * weights are smaller by orders of magnitude.
 */
const MASKING = -1e4;

/**
 * Creates variables for the weights of a model. Trained are constants of float32, float16 and bfloat16, and
 * of int8 and uint8 on a grid, that a gradient reaches, with these exceptions: constants of one element,
 * unless their operator calls them weight or bias; masks, which have infinite numbers or some of -10,000 or
 * less; tensors that their file cannot change in place.
 */
export function createWeights({ graph }: OnnxModel, model: StoredModel): OnnxWeights {
  const tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  const storedAs = (constant: OnnxConstant): Tensor => tensors.get(constant.stored) as Tensor;
  const numbersOf = (constant: OnnxConstant) =>
    tf.tidy(() => tensorOf(constant, storedAs(constant)).dataSync());
  const reached = reachedConstants(graph);
  const isKept = ({ stored }: OnnxConstant): boolean => model.readOnly?.has(stored) ?? false;
  const quantised = quantisedWeights(graph, numbersOf).filter(
    ({ constant }) => reached.has(constant.stored) && !isKept(constant),
  );
  const floats = [...reached.values()].filter(
    (each) => !isKept(each.constant) && isTrained(each, storedAs(each.constant)),
  );
  const lookedUp = lookedUpConstants(graph);
  const trained = [
    ...floats.map(({ constant }) => ({
      ...variableOf(constant.stored, tensorOf(constant, storedAs(constant))),
      ...(lookedUp.has(constant.stored) && { isEmbedding: true }),
    })),
    ...quantised.map((each) => variableOf(each.constant.stored, weightsOf(each, storedAs(each.constant)))),
  ];
  const held = new Map<string, tf.Tensor>();
  return {
    trained: inOrder(trained, model),
    stored: { tensors: model.tensors, quantization: quantizationsOf(quantised) },
    dequantised: new Map(quantised.map(({ value, constant }) => [value, constant.stored])),
    constant(info) {
      const tensor = held.get(info.stored) ?? tf.keep(tensorOf(info, storedAs(info)));
      held.set(info.stored, tensor);
      return tensor;
    },
    dispose: () => tf.dispose([...held.values(), ...trained.map(({ variable }) => variable)]),
  };
}

function isTrained({ constant, isWeight }: Reached, tensor: Tensor): boolean {
  if (!hasFloats(constant)) return false;
  const size = constant.shape.reduce((product, each) => product * each, 1);
  if (size === 0 || (size === 1 && !isWeight)) return false;
  return tf.tidy(() =>
    tensorOf(constant, tensor)
      .dataSync()
      .every((each) => Number.isFinite(each) && each > MASKING),
  );
}

function weightsOf({ constant, quantization }: QuantisedWeight, tensor: Tensor): tf.Tensor {
  const { scale, zeroPoint = 0 } = quantization;
  return tf.tidy(() => {
    const centred = tf.sub(tf.cast(tensorOf(constant, tensor), 'float32'), zeroPoint);
    return tf.mul(centred, typeof scale === 'number' ? scale : tf.tensor1d(scale));
  });
}

function variableOf(name: string, values: tf.Tensor): NamedWeight {
  const variable = tf.tidy(() => tf.variable(values, true));
  values.dispose();
  return { name, variable, trainable: true };
}

function quantizationsOf(quantised: readonly QuantisedWeight[]): ReadonlyMap<string, Quantization> {
  return new Map(quantised.map(({ constant, quantization }) => [constant.stored, quantization]));
}

/** @returns weights in the order of the file */
function inOrder(weights: readonly NamedWeight[], { tensors }: Model): NamedWeight[] {
  const byName = new Map(weights.map((weight) => [weight.name, weight]));
  return tensors.flatMap(({ name }) => byName.get(name) ?? []);
}
