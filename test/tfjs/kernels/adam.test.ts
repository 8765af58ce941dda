import * as tf from '@tensorflow/tfjs';
import { registerTrainingKernels } from '../../../src/tfjs/kernels/register.js';
import { seededFloats } from './seeded.js';
import '@tensorflow/tfjs-backend-wasm';
import { expect, test } from 'vitest';

/** Takes some steps on gradients of which one may have another shape than its variable. */
function train(optimizer: tf.Optimizer, shape: number[] = [37]): Float32Array {
  const weights = tf.tidy(() => tf.variable(tf.tensor1d(seededFloats(3, 37))));
  const other = tf.tidy(() => tf.variable(tf.tensor2d(seededFloats(4, 12), [3, 4])));
  const size = shape[0] as number;
  for (let step = 0; step < 5; step++) {
    const gradients = [
      { name: weights.name, tensor: tf.tensor1d(seededFloats(step, size)) },
      { name: other.name, tensor: tf.tensor2d(seededFloats(50 + step, 12), [3, 4]) },
    ];
    optimizer.applyGradients(gradients);
    tf.dispose(gradients.map(({ tensor }) => tensor));
  }
  const values = Float32Array.from([...weights.dataSync(), ...other.dataSync()]);
  tf.dispose([weights, other]);
  optimizer.dispose();
  return values;
}

/** A clone shares the memory of a variable, which Adam then must not change in place. */
function expectClonesToStay(): void {
  const values = seededFloats(3, 37);
  const weights = tf.tidy(() => tf.variable(tf.tensor1d(values)));
  const clone = weights.clone();
  const optimizer = tf.train.adam(0.01);
  for (let step = 0; step < 2; step++) {
    tf.tidy(() => optimizer.applyGradients([{ name: weights.name, tensor: tf.ones([37]) }]));
  }
  expect(clone.dataSync()).toEqual(values);
  expect(weights.dataSync()).not.toEqual(values);
  tf.dispose([weights, clone]);
  optimizer.dispose();
}

// One test, in a file of its own: the kernels, once registered, stay for the whole process.
test('Adam gives the bits of the stock optimiser', async () => {
  await tf.setBackend('wasm');
  const stock = [train(tf.train.adam(0.01)), train(tf.train.adam(0.01), [1])];
  registerTrainingKernels();
  const count = tf.memory().numTensors;
  expect(train(tf.train.adam(0.01))).toEqual(stock[0]);
  expect(train(tf.train.adam(0.01), [1])).toEqual(stock[1]);
  expect(tf.memory().numTensors).toBe(count);
  expect(() => train(tf.train.adam(0.01), [4])).toThrow();
  expectClonesToStay();
  const { kernelNames } = await tf.profile(() => {
    train(tf.train.adam(0.01));
  });
  expect(kernelNames).toContain('NeuralDiffAdam');
});
