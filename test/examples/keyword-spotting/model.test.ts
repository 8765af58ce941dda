import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLIP_SHAPE } from '../../../examples/keyword-spotting/features.js';
import { createKeywordModel } from '../../../examples/keyword-spotting/model.js';

beforeAll(() => tf.setBackend('cpu'));

describe('createKeywordModel()', () => {
  it('gives a probability to each class', () => {
    const model = createKeywordModel(35, 1);
    const output = model.predict(tf.zeros([2, ...CLIP_SHAPE])) as tf.Tensor;
    expect(output.shape).toEqual([2, 35]);
    expect(output.sum().dataSync()[0]).toBeCloseTo(2, 4);
  });

  it('is of the size that a small device holds', () => {
    expect(createKeywordModel(35, 1).countParams()).toBeGreaterThan(140_000);
    expect(createKeywordModel(35, 1).countParams()).toBeLessThan(160_000);
  });

  it('starts from weights that its seed fixes', () => {
    const weights = (seed: number) =>
      createKeywordModel(10, seed)
        .getWeights()
        .map((tensor) => tensor.dataSync());
    expect(weights(1)).toEqual(weights(1));
    expect(weights(1)).not.toEqual(weights(2));
  });
});
