import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { advisePrecision } from '../../../../src/report/measure/precision/advise-precision.js';
import type { Precision } from '../../../../src/report/precision.js';
import { namedWeights } from '../../../../src/tfjs/weights.js';
import { createTask } from '../../../../src/train/create-task.js';
import { putWeights } from '../../../../src/train/session.js';
import { roundToGrid } from '../../../../src/train/store-on-grid.js';
import { recipe } from '../../../cli/command.js';
import { writeGraphFolder, writeOnnxFile } from '../../../cli/networks.js';
import { codeOf } from '../../../support.js';
import { loadPatched, readModel, Workshop } from '../fixtures.js';

const shop = new Workshop();
const points = recipe('points');
let base: string;

const dataOf = async (seed = 3) => (await import(points)).data({ tf, seed });

beforeAll(async () => {
  const model = await loadPatched(await shop.saveSmall('start'));
  const { train } = await dataOf();
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  await model.fit(train.xs, train.ys, { epochs: 5, batchSize: 32, shuffle: false });
  base = await shop.saveModel('base', model);
});

const advise = (maxGap: number, options: object = {}): Promise<Precision> =>
  advisePrecision({ base, recipe: points, seed: 3, maxGap, ...options });

const totalOf = ({ totals }: Precision, way: string) => totals.find((total) => total.way === way)!;

/** What TensorFlow.js says of the model with its tensors on grids, on the validation points. */
async function evaluateOn({ tensors }: Precision) {
  const model = await loadPatched(base);
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const stored = await readModel(base);
  const rounded = tensors.flatMap(({ tensor, grid }) =>
    grid === undefined
      ? []
      : [[tensor, roundToGrid(stored.tensors.find(({ name }) => name === tensor)!, grid)] as const],
  );
  const variables = namedWeights(model).map(({ name, variable }) => [name, variable] as const);
  const names = new Set(rounded.map(([name]) => name));
  putWeights(new Map(variables.filter(([name]) => names.has(name))), new Map(rounded));
  const { validation } = await dataOf();
  return createTask(model).evaluate(validation);
}

test('advisePrecision() tells what the model has on its grids, as evaluating it does', async () => {
  const advice = await advise(0.02);
  expect(advice.chosenBy).toEqual({ source: 'validation', examples: 96 });
  const { loss, accuracy } = await evaluateOn(advice);
  const { measured, bytes, isMet } = totalOf(advice, 'mixed');
  expect([measured?.accuracy.value, measured?.loss]).toEqual([
    expect.closeTo(accuracy as number, 6),
    expect.closeTo(loss as number, 5),
  ]);
  expect([isMet, measured!.gap.value <= 0.02]).toEqual([true, true]);
  expect(bytes).toBe(advice.tensors.reduce((sum, { gridBytes }) => sum + gridBytes, 0));
  expect(bytes).toBeLessThanOrEqual(totalOf(advice, 'int8').bytes);
  // Biases have no grid of integers.
  const biases = advice.tensors.filter(({ shape }) => shape.length < 2);
  expect(biases.map(({ options }) => options.map(({ grid }) => grid))).toEqual(
    biases.map(() => ['float16', 'bfloat16']),
  );
  expect(await advise(0.02)).toEqual(advice);
});

test('advisePrecision() measures what it has chosen on test data, too', async () => {
  const advice = await advise(0.02, { recipe: recipe('tested') });
  expect(advice.chosenBy).toEqual({ source: 'validation', examples: 96 });
  expect(advice.totals.every(({ test: found }) => found !== undefined)).toBe(true);
  expect(totalOf(advice, 'as-is').test?.gap.value).toBe(0);
  // One example of 192 is half a point: other data, other figures.
  expect(totalOf(advice, 'mixed').test?.loss).not.toBe(totalOf(advice, 'mixed').measured?.loss);
  const alone = shop.recipe('alone', 'return { train, test: { xs: xs.clone(), ys: hot() } };');
  const ofTest = await advise(0.02, { recipe: alone });
  expect(ofTest.chosenBy).toEqual({ source: 'test', examples: 12 });
  expect(ofTest.totals.every(({ test: found }) => found === undefined)).toBe(true);
});

test('advisePrecision() says the same of a network in an ONNX file and in a GraphModel', async () => {
  writeOnnxFile(shop.at('net.onnx'));
  writeGraphFolder(shop.at('graph'));
  const options = { recipe: recipe('logits') };
  const ofOnnx = await advise(0.02, { ...options, base: shop.at('net.onnx') });
  const ofGraph = await advise(0.02, { ...options, base: shop.at('graph') });
  expect(ofOnnx.totals).toEqual(ofGraph.totals);
  expect(ofOnnx.tensors.map(({ tensor, grid }) => [tensor.replace('.', '/'), grid])).toEqual(
    ofGraph.tensors.map(({ tensor, grid }) => [tensor, grid]),
  );
});

test('advisePrecision() refuses models and examples that it cannot measure', async () => {
  writeOnnxFile(shop.at('half.onnx'), { dtype: 'float16' });
  const half = { base: shop.at('half.onnx'), recipe: recipe('logits') };
  expect(await codeOf(() => advise(0.02, half))).toBe('unsupported-model');
  const none = shop.recipe('none', 'return { train };');
  expect(await codeOf(() => advise(0.02, { recipe: none }))).toBe('bad-data');
  expect(await codeOf(() => advise(0.02, { base: shop.at('nowhere') }))).toBe('file-not-found');
  await expect(advise(2)).rejects.toThrow('expected a gap from 0 to 1, got 2');
  const { signal, stop } = stopped();
  await expect(advise(0.02, { signal, onProgress: stop })).rejects.toThrow('enough');
});

function stopped() {
  const controller = new AbortController();
  return { signal: controller.signal, stop: () => controller.abort(new Error('enough')) };
}
