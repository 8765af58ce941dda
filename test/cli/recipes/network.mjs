/** Points around centres, and networks of dense layers whose widths, depth and last block are chosen. */
export { data, loss, metrics } from './points.mjs';

export const options = { batchSize: 32, fineTune: { epochs: 6, learningRate: 0.02 } };

export const network = {
  choices: {
    width1: [768, 192],
    depth: [2, 1],
    width2: { values: [768, 192], when: { depth: [2] } },
    block: { values: ['plain', 'double'], when: { depth: [2] } },
  },
  create({ tf, seed, choice, gate, pick }) {
    const dense = (name, units, tensor, activation = 'relu') => {
      const kernelInitializer = tf.initializers.heNormal({ seed: 100 * seed + name.length });
      return tf.layers.dense({ name, units, activation, kernelInitializer }).apply(tensor);
    };
    const input = tf.input({ shape: [2] });
    let output = gate(dense('one', choice.width1, input), 'width1');
    if (choice.depth === 2) {
      const branches = {
        plain: () => dense('second', choice.width2, output),
        double: () => dense('double2', choice.width2, dense('double', choice.width2, output)),
      };
      output = gate(pick('block', branches), 'width2');
    }
    return tf.model({ inputs: input, outputs: dense('classes', 3, output, 'softmax') });
  },
};
