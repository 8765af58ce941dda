import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { countFlops } from '../../src/tfjs/count-flops.js';

test('countFlops() counts two for each multiplication that is added up, one for each other number', () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, padding: 'same', name: 'conv' }),
      tf.layers.reLU({ name: 'relu' }),
      tf.layers.flatten({ name: 'flat' }),
      tf.layers.dense({ units: 10, name: 'dense' }),
    ],
  });
  const { total, layers } = countFlops(model);
  expect(Object.fromEntries(layers.map(({ name, flops }) => [name, flops]))).toEqual({
    conv: 2 * 64 * 9 * 3 * 4,
    relu: 256,
    flat: 256,
    dense: 2 * 256 * 10,
  });
  expect(total).toBe(13_824 + 256 + 256 + 5_120);
});

test('countFlops() of a stream counts a frame if open dimensions count as 1, and refuses them otherwise', () => {
  const input = tf.input({ shape: [null, 6] });
  const hidden = tf.layers.gru({ units: 4, returnSequences: true, name: 'gru' }).apply(input);
  const output = tf.layers.dense({ units: 2, name: 'dense' }).apply(hidden) as tf.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: output });
  expect(countFlops(model, { openSize: 1 }).total).toBe(2 * (3 * 4 * (6 + 4)) + 2 * 8);
  expect(() => countFlops(model)).toThrow(expect.objectContaining({ code: 'unsupported-model' }));
});
