import * as tf from '@tensorflow/tfjs';
import { seededTensor, useTrainingKernels } from './both-backends.js';
import '@tensorflow/tfjs-backend-wasm';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';

const STEPS = 4;
const BATCH = 8;
const CLASSES = 5;

function buildModel(): tf.Sequential {
  let seed = 0;
  const initializer = () => tf.initializers.glorotUniform({ seed: ++seed });
  const shape = { kernelSize: 3, padding: 'same' as const };
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        ...shape,
        inputShape: [12, 10, 2],
        filters: 8,
        strides: 2,
        kernelInitializer: initializer(),
      }),
      tf.layers.batchNormalization(),
      tf.layers.reLU(),
      tf.layers.depthwiseConv2d({ ...shape, depthwiseInitializer: initializer() }),
      tf.layers.batchNormalization(),
      tf.layers.conv2d({ ...shape, filters: 6, kernelInitializer: initializer(), activation: 'relu' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: CLASSES, activation: 'softmax', kernelInitializer: initializer() }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.01), loss: 'categoricalCrossentropy' });
  return model;
}

interface Run {
  readonly losses: number[];
  readonly tensorCounts: number[];
  readonly digest: string;
}

async function train(backend: string): Promise<Run> {
  await tf.setBackend(backend);
  const model = buildModel();
  const x = seededTensor(1, [BATCH, 12, 10, 2]);
  const y = tf
    .oneHot(
      tf.tensor1d(
        Array.from({ length: BATCH }, (_, i) => i % CLASSES),
        'int32',
      ),
      CLASSES,
    )
    .toFloat();
  const losses: number[] = [];
  const tensorCounts: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    losses.push((await model.trainOnBatch(x, y)) as number);
    tensorCounts.push(tf.memory().numTensors);
  }
  return { losses, tensorCounts, digest: digestOf(model.getWeights()) };
}

function digestOf(weights: tf.Tensor[]): string {
  const hash = createHash('sha256');
  for (const weight of weights) {
    const { buffer, byteOffset, byteLength } = weight.dataSync();
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

test('registerTrainingKernels() makes training repeat itself bit for bit, without a leak', async () => {
  await tf.setBackend('wasm');
  useTrainingKernels();
  const [first, second] = [await train('wasm'), await train('wasm')];
  expect(second.digest).toBe(first.digest);
  expect(second.losses).toEqual(first.losses);
  // The optimizer makes its slots in the first step.
  expect(new Set(first.tensorCounts.slice(1)).size).toBe(1);
  expect(first.losses.at(-1)).toBeLessThan(first.losses[0]!);
});

test('registerTrainingKernels() makes the wasm backend train as the cpu backend does', async () => {
  useTrainingKernels();
  const [wasm, cpu] = [await train('wasm'), await train('cpu')];
  cpu.losses.forEach((loss, step) => {
    expect(wasm.losses[step]).toBeCloseTo(loss, 3);
  });
});
