import * as tf from '@tensorflow/tfjs';
import type { Op } from '../payload/index.js';
import { type DiffPart, type Values, valuesOf } from './part.js';
import { quantiseUniform, scaleLevels } from './quantise.js';
import { readFloats, zeroVariables } from './variables.js';

/**
 * Every weight of some small tensors (biases, scales and offsets of norms) changes, on a coarse grid whose rounding is
 * part of training.
 *
 * @param base values of the tensors by name
 * @param bits bits a level: 2 to 8
 */
export function createDensePart(base: Values, bits: number): DiffPart {
  const deltas = zeroVariables(base);
  const tensors = [...base.keys()];
  const quantised = (name: string) => quantiseUniform(readFloats(valuesOf(deltas, name)), bits);
  return {
    tensors,
    parameters: [...deltas.values()],
    advance() {},
    materialise(weights) {
      const add = (name: string): tf.Tensor => {
        const weight = valuesOf(weights, name);
        const { levels, scale } = quantised(name);
        return tf.add(weight, tf.tensor(scaleLevels(levels, scale), weight.shape));
      };
      return new Map(tensors.map((name) => [name, add(name)]));
    },
    pullBack: (gradients) => tensors.map((name) => tf.reshape(valuesOf(gradients, name), [-1])),
    ops: () =>
      tensors.flatMap((tensor): Op[] => {
        const { levels, scale } = quantised(tensor);
        if (levels.every((level) => level === 0)) return [];
        return [{ kind: 'dense', tensor, bits, scale, levels: Int8Array.from(levels) }];
      }),
    describe: () => ({}),
    dispose: () => tf.dispose([...deltas.values()]),
  };
}
