import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { float16Bits } from '../../src/model/float16.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Tensor } from '../../src/model/tensor.js';
import { createOnnxTask } from '../../src/onnx/create-onnx-task.js';
import { openOnnxNetwork } from '../../src/onnx/network.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import type { ArrayData } from '../../src/train/data.js';
import type { TrainDiffOptions, TrainedDiff } from '../../src/train/train-diff.js';
import { externalData, rawData, tensorProto } from '../containers/write-onnx.js';
import { concat } from '../support.js';
import { expectLikeRuntime } from './compare.js';
import { type GraphDraft, onnxFile } from './graphs.js';

const directory = mkdtempSync(join(tmpdir(), 'neural-diff-onnx-'));
beforeAll(() => useBackend('wasm'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A classifier of small images whose weights have several element types. */
const CLASSIFIER: GraphDraft = {
  inputs: { image: ['batch', 1, 6, 6] },
  weights: {
    filter: { shape: [8, 1, 3, 3] },
    bias: { shape: [8] },
    dense: { shape: [4, 72] },
    offset: { shape: [4] },
    flat: { shape: [2], values: [0, -1], dtype: 'int64' },
    two: { shape: [], values: [2] },
  },
  nodes: [
    ['Conv', { inputs: ['image', 'filter', 'bias'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } }],
    ['Relu', { inputs: ['c'], outputs: ['r'] }],
    ['MaxPool', { inputs: ['r'], outputs: ['p'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } }],
    ['Reshape', { inputs: ['p', 'flat'], outputs: ['f'] }],
    ['Gemm', { inputs: ['f', 'dense', 'offset'], outputs: ['logits'], attributes: { transB: 1 } }],
    ['Mul', { inputs: ['logits', 'two'], outputs: ['scaled'] }],
    ['Softmax', { inputs: ['scaled'], outputs: ['probabilities'], attributes: { axis: -1 } }],
  ],
  outputs: ['probabilities'],
};

/** Images with a bright quarter, which is the label. */
function quarters(count: number, seed: number): ArrayData {
  return tf.tidy(() => {
    const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
    const bright = tf.tensor(
      Float32Array.from({ length: count * 36 }, (_, i) => {
        const [row, column] = [Math.floor((i % 36) / 6), i % 6];
        return Number(2 * Math.floor(row / 3) + Math.floor(column / 3) === labels[Math.floor(i / 36)]);
      }),
      [count, 1, 6, 6],
    );
    const xs = tf.add(bright, tf.randomNormal([count, 1, 6, 6], 0, 0.3, 'float32', seed));
    return { xs, ys: tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), 4), 'float32') };
  });
}

type Files = Map<string, Uint8Array>;

const half = (tensor: Tensor): Tensor => {
  const bits = Uint16Array.from(new Float32Array(tensor.bytes.slice().buffer), float16Bits);
  return { ...tensor, dtype: 'float16', bytes: new Uint8Array(bits.buffer) };
};

/** Float16 in the file, widened by casts as exporters write it. */
function inHalves(): Files {
  const names = ['filter', 'bias', 'dense', 'offset'];
  const casts = names.map(
    (name) => ['Cast', { inputs: [name], outputs: [`${name}/wide`], attributes: { to: 1 } }] as const,
  );
  const nodes = CLASSIFIER.nodes.map(([operator, draft]) => {
    const inputs = draft.inputs.map((name) => (names.includes(name) ? `${name}/wide` : name));
    return [operator, { ...draft, inputs }] as const;
  });
  const write = (tensor: Tensor): Uint8Array =>
    tensorProto(names.includes(tensor.name) ? half(tensor) : tensor);
  return new Map([['model.onnx', onnxFile({ ...CLASSIFIER, nodes: [...casts, ...nodes] }, write)]]);
}

/** The largest weight in another file. */
function outside(): Files {
  let data: Uint8Array = new Uint8Array(0);
  const bytes = onnxFile(CLASSIFIER, (tensor) => {
    if (tensor.name !== 'dense') return tensorProto(tensor);
    data = concat(new Uint8Array(16), tensor.bytes);
    return tensorProto(tensor, externalData('model.onnx.data', 16, tensor.bytes.length));
  });
  return new Map([
    ['model.onnx', bytes],
    ['model.onnx.data', data],
  ]);
}

/** The largest weight in int8, with one scale. */
function inIntegers(): Files {
  const nodes = CLASSIFIER.nodes.map(([operator, draft]) => {
    const inputs = draft.inputs.map((name) => (name === 'dense' ? 'dense/wide' : name));
    return [operator, { ...draft, inputs }] as const;
  });
  const widen = ['DequantizeLinear', { inputs: ['dense', 'scale'], outputs: ['dense/wide'] }] as const;
  const weights = { ...CLASSIFIER.weights, scale: { shape: [], values: [1 / 127] } };
  const write = (tensor: Tensor): Uint8Array => {
    if (tensor.name !== 'dense') return tensorProto(tensor);
    const floats = new Float32Array(tensor.bytes.slice().buffer);
    const bytes = new Uint8Array(Int8Array.from(floats, (each) => Math.round(127 * each)).buffer);
    return tensorProto({ ...tensor, dtype: 'int8', bytes });
  };
  return new Map([['model.onnx', onnxFile({ ...CLASSIFIER, weights, nodes: [widen, ...nodes] }, write)]]);
}

const plain = (): Files =>
  new Map([['model.onnx', onnxFile(CLASSIFIER, (tensor) => tensorProto(tensor, rawData))]]);

const FILES: Readonly<Record<string, () => Files>> = {
  'a file of float32': plain,
  'a file of float16': inHalves,
  'a file with external data': outside,
  'a file of int8': inIntegers,
};

const TRAINERS: Readonly<Record<string, (options: TrainDiffOptions) => Promise<TrainedDiff>>> = {
  'trainHashDiff()': trainHashDiff,
  'trainSparseDiff()': trainSparseDiff,
};

const CASES = Object.keys(FILES).flatMap((file) =>
  Object.keys(TRAINERS).map((trainer) => [trainer, file] as const),
);

describe('createOnnxTask()', () => {
  test.each(CASES)('%s trains a payload that patches %s in place', async (trainer, file) => {
    const files = (FILES[file] as () => Files)();
    const folder = openMemoryFiles(files);
    const task = await createOnnxTask(
      { files: folder, file: 'model.onnx' },
      { loss: 'categoricalCrossentropy' },
    );
    expect(task.weights.map(({ name }) => name)).toEqual(['filter', 'bias', 'dense', 'offset']);
    expect(task.outputKinds).toEqual(['probabilities']);
    const [train, validation] = [quarters(128, 1), quarters(64, 2)];
    const train_ = TRAINERS[trainer] as (options: TrainDiffOptions) => Promise<TrainedDiff>;
    const quick = { batchSize: 16, epochs: 8, fineTune: { epochs: 8, learningRate: 0.01 } };
    const { payload, metrics } = await train_({ task, train, validation, budget: 700, ...quick });
    expect(payload.length).toBeLessThanOrEqual(700);
    expect(metrics.diff.accuracy).toBeGreaterThan(Math.max(0.8, metrics.base.accuracy ?? 1));
    task.dispose?.();

    const store = await openContainer(folder, 'model.onnx');
    expect((await applyPayload(store, payload)).status).toBe('applied');
    const network = await openOnnxNetwork(folder, 'model.onnx');
    const after = await createOnnxTask(
      { files: folder, file: 'model.onnx' },
      { loss: 'categoricalCrossentropy' },
    );
    expect(await after.evaluate(validation)).toEqual(metrics.diff);
    for (const [path, bytes] of files) writeFileSync(join(directory, path), bytes);
    await expectLikeRuntime(network, join(directory, 'model.onnx'), [validation.xs as tf.Tensor]);
    network.dispose();
    after.dispose?.();
  });

  test('takes the bytes of a file, and inner values as outputs', async () => {
    const bytes = onnxFile(CLASSIFIER);
    const options = {
      loss: 'sparseCategoricalCrossentropy',
      outputs: ['scaled'],
      outputKind: 'logits',
    } as const;
    const task = await createOnnxTask(bytes, options);
    expect([task.inputNames, task.outputNames, task.outputKinds]).toEqual([
      ['image'],
      ['scaled'],
      ['logits'],
    ]);
    expect(task.inputShapes).toEqual([[null, 1, 6, 6]]);
    const { xs } = quarters(8, 1);
    const ys = tf.tensor1d([0, 1, 2, 3, 0, 1, 2, 3], 'int32');
    const { loss } = await task.evaluate({ xs, ys });
    const whole = await createOnnxTask(bytes, { loss: 'sparseCategoricalCrossentropy' });
    expect((await whole.evaluate({ xs, ys })).loss).toBeCloseTo(loss as number, 5);
    await task.checkGradients?.([xs as tf.Tensor]);
    for (const each of [task, whole]) each.dispose?.();
    await expect(createOnnxTask(bytes, { loss: 'meanSquaredError', outputs: ['other'] })).rejects.toThrow(
      RangeError,
    );
  });
});
