import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { labels, NETWORKS } from '../../bench/growth/networks.js';

test.each(NETWORKS)('the $name network has about as many weights as it should', async (network) => {
  await tf.setBackend('cpu');
  for (const weights of [300_000, 1_000_000]) {
    const model = network.build(weights);
    expect(Math.abs(model.countParams() / weights - 1)).toBeLessThan(0.5);
    const given = [network.inputs(2, weights), labels(2)] as const;
    const output = tf.tidy(() => model.predict(given[0]) as tf.Tensor);
    expect(output.shape).toEqual(given[1].shape);
    tf.dispose([output, ...given]);
    model.dispose();
  }
});
