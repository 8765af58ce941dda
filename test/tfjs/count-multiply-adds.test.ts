import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { countMultiplyAdds, shapedLayers } from '../../src/tfjs/count-multiply-adds.js';

/** The counts of a network's layers, in order. */
function countsOf(...layers: tf.layers.Layer[]): number[] {
  const model = tf.sequential({ layers });
  const counts = shapedLayers(model).map(countMultiplyAdds);
  model.dispose();
  return counts;
}

test('kernels of convolutions and dense layers count at each place of the output', () => {
  const { conv2d, depthwiseConv2d, separableConv2d, flatten, dense } = tf.layers;
  const counts = countsOf(
    conv2d({ filters: 8, kernelSize: 3, padding: 'same', inputShape: [6, 5, 4] }),
    depthwiseConv2d({ kernelSize: 3, padding: 'same' }),
    separableConv2d({ filters: 16, kernelSize: [3, 1], strides: 2, padding: 'same' }),
    flatten({}),
    dense({ units: 10 }),
  );
  const [same, strided] = [6 * 5, 3 * 3];
  const separable = strided * (3 * 8 + 8 * 16);
  expect(counts).toEqual([same * 9 * 4 * 8, same * 9 * 8, separable, strided * 16, strided * 16 * 10]);
});

test('those of a transposed convolution count at each place of the input', () => {
  const options = { filters: 2, kernelSize: 4, strides: 2, padding: 'same' } as const;
  const counts = countsOf(tf.layers.conv2dTranspose({ ...options, inputShape: [3, 5, 6] }));
  expect(counts).toEqual([3 * 5 * 16 * 2 * 6]);
});

test.each([
  [true, 'gru', 3],
  [false, 'gru', 3],
  [false, 'lstm', 4],
  [false, 'simpleRNN', 1],
] as const)(
  'those of recurrent layers count in each step: sequences %s, %s',
  (returnSequences, kind, gates) => {
    const layer = tf.layers[kind]({ units: 7, returnSequences, inputShape: [11, 5] });
    expect(countsOf(layer)).toEqual([11 * gates * 7 * (5 + 7)]);
  },
);

test('both directions of a bidirectional layer count', () => {
  const layer = tf.layers.gru({ units: 4, returnSequences: true }) as tf.RNN;
  const both = tf.layers.bidirectional({ layer, inputShape: [6, 3], mergeMode: 'concat' });
  expect(countsOf(both)).toEqual([2 * 6 * 3 * 4 * (3 + 4)]);
});

test('a layer that is used twice is listed twice; open sizes are refused', () => {
  const input = tf.input({ shape: [4] });
  const dense = tf.layers.dense({ units: 4 });
  const twice = dense.apply(dense.apply(input)) as tf.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs: twice });
  expect(shapedLayers(model).map(countMultiplyAdds)).toEqual([16, 16]);
  model.dispose();
  const open = tf.layers.conv1d({ filters: 4, kernelSize: 3, inputShape: [null, 4] as unknown as number[] });
  expect(() => shapedLayers(tf.sequential({ layers: [open] }))).toThrow(
    expect.objectContaining({ code: 'unsupported-model' }),
  );
});
