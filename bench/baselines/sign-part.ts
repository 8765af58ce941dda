import * as tf from '@tensorflow/tfjs';
import {
  createVariable,
  type DiffPart,
  readFloatsSync,
  type Values,
  valuesOf,
} from '../../src/train/part.js';

/**
 * Changes the weights of a tensor by -1, 0 or 1 times one number; only these numbers are trained.
 *
 * @param signs by tensor
 * @param scales where training starts, by tensor
 */
export function createSignPart(signs: Values, scales: ReadonlyMap<string, number>): DiffPart {
  const tensors = [...signs.keys()];
  const uploaded = new Map([...signs].map(([name, values]) => [name, tf.tensor1d(values.slice())]));
  // Trained relative to where they start: one learning rate suits tensors of any magnitude.
  const factors = createVariable(new Float32Array(tensors.length).fill(1));
  return {
    tensors,
    parameters: [factors],
    advance() {},
    read() {},
    materialise(weights) {
      const trained = readFloatsSync(factors);
      const add = (name: string, i: number): tf.Tensor => {
        const weight = valuesOf(weights, name);
        const change = tf.mul(valuesOf(uploaded, name), valuesOf(scales, name) * (trained[i] as number));
        return tf.add(weight, tf.reshape(change, weight.shape));
      };
      return new Map(tensors.map((name, i) => [name, add(name, i)]));
    },
    pullBack(gradients) {
      const sums = tensors.map((name) => {
        const gradient = tf.reshape(valuesOf(gradients, name), [-1]);
        return tf.mul(tf.sum(tf.mul(gradient, valuesOf(uploaded, name))), valuesOf(scales, name));
      });
      return [tf.stack(sums)];
    },
    ops: () => [],
    describe: () => ({}),
    dispose: () => tf.dispose([factors, ...uploaded.values()]),
  };
}
