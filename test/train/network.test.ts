import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import {
  createNetworkPredictor,
  createNetworkTask,
  type Network,
  type NetworkTaskOptions,
} from '../../src/train/network.js';

beforeAll(() => useBackend('wasm'));

/** A network of one product and a softmax, whose file has another tensor, too. */
function productNetwork(): Network & { disposed: boolean; checked: number[][] } {
  const variable = tf.tidy(() => tf.variable(tf.randomNormal([8, 32], 0, 1, 'float32', 3)));
  const bytes = new Uint8Array((variable.dataSync() as Float32Array).slice().buffer);
  const tensors = [
    { name: 'steps', dtype: 'int64' as const, shape: [2, 2], bytes: new Uint8Array(16) },
    { name: 'w', dtype: 'float32' as const, shape: [8, 32], bytes },
  ];
  const shapes: Record<string, string | undefined> = { scores: undefined, classes: 'softmax' };
  const network = {
    weights: [{ name: 'w', variable, trainable: true }],
    inputNames: ['x'],
    inputShapes: [[null, 8]],
    outputNames: ['classes'],
    stored: { tensors: [{ ...tensors[0], shape: [2, 1] }, tensors[1]] as typeof tensors },
    describe: (name: string) =>
      name in shapes ? { shape: [null, 32], activation: shapes[name] } : undefined,
    run([x]: tf.Tensor[], names: readonly string[]) {
      const scores = tf.matMul(x as tf.Tensor2D, variable as unknown as tf.Tensor2D);
      return names.map((name) => (name === 'classes' ? tf.softmax(scores) : scores));
    },
    checked: [] as number[][],
    async checkGradients(xs: tf.Tensor[]) {
      network.checked.push(...xs.map(({ shape }) => shape));
    },
    disposed: false,
    dispose() {
      network.disposed = true;
      variable.dispose();
    },
  };
  return network;
}

const xs = () => tf.randomNormal([40, 8], 0, 1, 'float32', 5);

test('kinds of outputs follow from activations, and values before outputs can be trained on', () => {
  const network = productNetwork();
  expect(createNetworkPredictor(network).outputKinds).toEqual(['probabilities']);
  expect(createNetworkPredictor(network, { outputs: ['scores'] }).outputKinds).toEqual(['values']);
  const logits = createNetworkPredictor(network, { outputs: ['scores'], outputKind: 'logits' });
  expect([logits.outputNames, logits.outputKinds]).toEqual([['scores'], ['logits']]);
  logits.dispose();
  expect(network.disposed).toBe(true);
});

test('loss and accuracy are means over examples, not over batches', async () => {
  const network = productNetwork();
  const data = { xs: xs(), ys: tf.ones([40], 'int32') };
  const loss = 'sparseCategoricalCrossentropy';
  const whole = await createNetworkTask(network, { loss, evaluationBatchSize: 40 }).evaluate(data);
  const parts = await createNetworkTask(network, { loss, evaluationBatchSize: 16 }).evaluate(data);
  expect(parts.accuracy).toBeCloseTo(whole.accuracy as number, 6);
  expect(parts.loss).toBeCloseTo(whole.loss as number, 4);
  const values = await createNetworkTask(network, { loss: (_, outputs) => outputs }).evaluate(data);
  expect(Object.keys(values)).toEqual(['loss']);
});

test('a diff of a network is for the model that its file stores', async () => {
  const network = productNetwork();
  const task = createNetworkTask(network, { loss: 'sparseCategoricalCrossentropy' });
  const train = { xs: xs(), ys: tf.ones([40], 'int32') };
  const options = { task, train, validation: train, budget: 200, epochs: 2, fineTune: { epochs: 2 } };
  const { model, metrics } = await trainHashDiff(options);
  expect(model.tensors.map(({ name }) => name).sort()).toEqual(['steps', 'w']);
  expect(Object.keys(metrics.diff)).toEqual(['loss', 'accuracy']);
  expect(network.checked).toEqual([[2, 8]]);
});

test.each<[Partial<NetworkTaskOptions>, ErrorConstructor, string]>([
  [{ loss: undefined as never }, TypeError, 'expected a loss'],
  [{ loss: 'hinge' as never }, RangeError, 'Cannot use loss "hinge"'],
  [{ loss: ['meanSquaredError', 'meanSquaredError'] }, TypeError, 'expected one loss for each'],
  [{ outputs: ['heads'] }, RangeError, 'Cannot use output "heads"'],
  [{ outputKind: 'scores' as never }, RangeError, 'Cannot use outputKind "scores"'],
])('options %j are refused', (options, type, message) => {
  const create = () => createNetworkTask(productNetwork(), { loss: 'meanSquaredError', ...options });
  expect(create).toThrow(type);
  expect(create).toThrow(message);
});
