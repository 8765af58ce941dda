import * as tf from '@tensorflow/tfjs';
import {
  createVariable,
  type DiffPart,
  readFloatsSync,
  type TrainingShare,
  type Values,
  valuesOf,
} from '../../src/train/part.js';

/** A part whose weights replace the base's. */
export interface RoundedPart extends DiffPart {
  /** @returns the free weights, not yet rounded */
  latent(): Values;
}

/**
 * Trains whole weights through any rounding: gradients pass straight through it, also to weights that it sets
 * to zero, so that those may come back.
 *
 * Source: Y. Bengio, N. Léonard, A. Courville, "Estimating or Propagating Gradients Through Stochastic
 * Neurons", 2013.
 *
 * @param start weights to start from, by tensor
 * @param rules how a tensor is rounded; what happens before a step
 */
export function createRoundedPart(
  start: Values,
  rules: {
    round: (name: string, latent: Float32Array) => Float32Array;
    advance?: (progress: TrainingShare, latent: () => Values) => void;
  },
): RoundedPart {
  const variables = new Map([...start].map(([name, values]) => [name, createVariable(values)]));
  const latent = () => new Map([...variables].map(([name, variable]) => [name, readFloatsSync(variable)]));
  return {
    latent,
    tensors: [...start.keys()],
    parameters: [...variables.values()],
    advance: (progress) => rules.advance?.(progress, latent),
    read() {},
    materialise: (weights) =>
      new Map(
        Array.from(variables, ([name, variable]) => {
          const rounded = rules.round(name, readFloatsSync(variable));
          return [name, tf.tensor(rounded, valuesOf(weights, name).shape)];
        }),
      ),
    pullBack: (gradients) =>
      Array.from(variables.keys(), (name) => tf.reshape(valuesOf(gradients, name), [-1])),
    ops: () => [],
    describe: () => ({}),
    dispose: () => tf.dispose([...variables.values()]),
  };
}
