import * as tf from '@tensorflow/tfjs';
import { trackSquares } from '../kernels/index.js';
import { type DiffPart, type LiveValues, type Values, valuesOf } from './part.js';
import { readFloats, zeroVariables } from './variables.js';

/** Share of the old mean that survives a step: the default of Adam's second moment. */
const DECAY = 0.999;

/** The part of a full fine-tune: every weight is free. */
export interface FreePart extends DiffPart {
  /** @returns what has been added to the weights so far */
  deltas(): Values;
  /**
   * Running mean of the squared gradients by tensor: the diagonal of the empirical Fisher information.
   *
   * Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, section 5.
   */
  fisher(): Values;
}

/** Frees every weight of some tensors. */
export function createFreePart(base: Values): FreePart {
  const deltas = zeroVariables(base);
  const fisher = zeroVariables(base);
  const tensors = [...base.keys()];
  const flat = (tensor: tf.Tensor): tf.Tensor => tf.reshape(tensor, [-1]);
  const read = (variables: LiveValues): Values =>
    new Map([...variables].map(([name, variable]) => [name, readFloats(variable)]));
  return {
    tensors,
    parameters: [...deltas.values()],
    deltas: () => read(deltas),
    fisher: () => read(fisher),
    advance() {},
    materialise(weights) {
      const add = (name: string): tf.Tensor => {
        const weight = valuesOf(weights, name);
        return tf.add(weight, tf.reshape(valuesOf(deltas, name), weight.shape));
      };
      return new Map(tensors.map((name) => [name, add(name)]));
    },
    pullBack(gradients) {
      return tensors.map((name) => {
        const gradient = flat(valuesOf(gradients, name));
        trackSquares(valuesOf(fisher, name), gradient, DECAY);
        return gradient;
      });
    },
    ops: () => [],
    describe: () => ({}),
    dispose: () => tf.dispose([...deltas.values(), ...fisher.values()]),
  };
}
