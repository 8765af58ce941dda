import * as tf from '@tensorflow/tfjs';
import { createVariable, type DiffPart, readFloatsSync, valuesOf } from '../../src/train/part.js';
import { scaleLevels } from '../../src/train/quantise.js';
import { type Cost, valueBits } from './entropy.js';
import type { Factors } from './factors.js';
import { quantiseToBits } from './uniform.js';

/** A part of thin matrices, and what their present values cost. */
export interface FactorPart extends DiffPart {
  costs(): Cost[];
}

/**
 * Trains products of thin matrices, their rounding in the loop.
 *
 * @param list where training starts
 * @param settings bits a number; whether the product is added to the base or replaces it
 */
export function createFactorPart(
  list: readonly Factors[],
  settings: { bits: number; isUpdate: boolean },
): FactorPart {
  const pairs = list.map((factors) => {
    return { ...factors, left: createVariable(factors.left), right: createVariable(factors.right) };
  });
  const parameters = pairs.flatMap(({ left, right }) => [left, right]);
  const quantised = (variable: tf.Variable) => quantiseToBits(readFloatsSync(variable), settings.bits);
  const upload = (variable: tf.Variable, shape: [number, number]): tf.Tensor2D => {
    const { levels, scale } = quantised(variable);
    return tf.tensor2d(scaleLevels(levels, scale), shape);
  };
  const thin = ({ rows, columns, rank, left, right }: (typeof pairs)[number]) => {
    return { left: upload(left, [rows, rank]), right: upload(right, [rank, columns]) };
  };
  return {
    tensors: pairs.map(({ name }) => name),
    parameters,
    advance() {},
    read() {},
    materialise(weights) {
      const product = (pair: (typeof pairs)[number]): tf.Tensor => {
        const weight = valuesOf(weights, pair.name);
        const { left, right } = thin(pair);
        const values = tf.reshape(tf.matMul(left, right), weight.shape);
        return settings.isUpdate ? tf.add(weight, values) : values;
      };
      return new Map(pairs.map((pair) => [pair.name, product(pair)]));
    },
    pullBack: (gradients) =>
      pairs.flatMap((pair) => {
        const gradient = tf.reshape(valuesOf(gradients, pair.name), [pair.rows, pair.columns]);
        const { left, right } = thin(pair);
        const pulled = [tf.matMul(gradient, right, false, true), tf.matMul(left, gradient, true, false)];
        return pulled.map((matrix) => tf.reshape(matrix, [-1]));
      }),
    ops: () => [],
    describe: () => ({}),
    costs: () => parameters.map((variable) => ({ bits: valueBits(quantised(variable).levels), scales: 1 })),
    dispose: () => tf.dispose(parameters),
  };
}
