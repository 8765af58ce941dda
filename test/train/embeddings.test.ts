import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../bench/common/graph-files.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { elementCount, type TensorInfo } from '../../src/model/tensor.js';
import { decodePayload } from '../../src/payload/decode.js';
import type { LowRankOp } from '../../src/payload/diff.js';
import { payloadBytes } from '../../src/payload/encode.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { namedWeights } from '../../src/tfjs/weights.js';
import { createEmbeddingPart } from '../../src/train/embedding-part.js';
import { fineTune } from '../../src/train/fine-tune.js';
import { openGraphNetwork } from '../../src/train/graph-network.js';
import { principalDirections } from '../../src/train/principal-directions.js';
import { scalesFor } from '../../src/train/quantise.js';
import { weightsOfModel } from '../../src/train/session.js';
import type { TrainDiffOptions } from '../../src/train/train-diff.js';
import { seededFloats } from '../support.js';
import { loadGraph } from './graph-task.js';
import { createWordTask, LENGTH, WORDS } from './word-task.js';

const KINDS = { trainHashDiff, trainSparseDiff };

describe.each(['cpu', 'wasm'] as const)('on the %s backend', (backend) => {
  beforeAll(() => useBackend(backend));

  test('createEmbeddingPart() finds a change along directions, within its bits, of rows that matter', async () => {
    const info: TensorInfo = { name: 'table', dtype: 'float32', shape: [200, 16] };
    const directions = seededFloats(7, 3 * 16).map((value) => 1.7 * value);
    const base = new Float32Array(elementCount(info));
    const target = base.map((_, i) => {
      const [row, column] = [Math.floor(i / 16), i % 16];
      return row < 40 ? (row % 2 === 0 ? 1 : -1) * (directions[16 * (row % 3) + column] as number) : 0;
    });
    const importance = Float32Array.from({ length: 3 * 200 }, (_, i) => (i < 3 * 40 ? 1 : 0));
    const bits = 900;
    const part = createEmbeddingPart({
      info,
      directions,
      importance,
      size: 1,
      bits,
      seed: 1,
      scaleOf: scalesFor([]),
    });
    const optimizer = tf.train.adam(0.05);
    for (let step = 0; step < 150; step++) {
      await part.advance({ done: step / 150 });
      tf.tidy(() => {
        const weights = part.materialise(new Map([['table', tf.tensor1d(base)]])).get('table') as tf.Tensor;
        const pulled = part.pullBack(new Map([['table', tf.sub(weights, tf.tensor1d(target))]]));
        optimizer.applyGradients(
          part.parameters.map(({ name }, i) => ({ name, tensor: pulled[i] as tf.Tensor })),
        );
      });
    }
    await part.read();
    const [op] = part.ops(0) as [LowRankOp];
    const changedRows = new Set(
      [...op.rows.keys()].filter((i) => op.rows[i] !== 0).map((i) => Math.floor(i / 3)),
    );
    expect(Math.max(...changedRows)).toBeLessThan(40);
    expect(changedRows.size).toBe(40);
    const errorOf = (values: Float32Array) =>
      values.reduce((sum, value, i) => sum + (value - (target[i] as number)) ** 2, 0);
    const made = tf.tidy(() =>
      (part.materialise(new Map([['table', tf.tensor1d(base)]])).get('table') as tf.Tensor).dataSync(),
    ) as Float32Array;
    expect(errorOf(made)).toBeLessThan(0.25 * errorOf(base));
    const empty = payloadBytes([info], [], { meta: {} });
    expect(8 * (payloadBytes([info], [op], { meta: {} }) - empty)).toBeLessThan(1.15 * bits + 128);
    expect(part.ops(1)).toEqual([]);
    part.dispose();
    optimizer.dispose();
  });
});

describe('a model with an embedding layer', () => {
  let options: TrainDiffOptions;
  beforeAll(async () => {
    await useBackend('wasm');
    options = await createWordTask();
  });

  test.each(Object.entries(KINDS))(
    '%s() moves the rows that are used, and no others',
    async (_name, train) => {
      const { payload, model, metrics } = await train(options);
      const { diff } = await decodePayload(payload, model.tensors);
      const op = diff.ops.find(({ kind }) => kind === 'low-rank') as LowRankOp;
      expect(op.tensor).toBe('words/embeddings');
      const [before, after] = [
        options.task.weights[0]?.variable.dataSync(),
        weightsOfModel(model, new Set([op.tensor])).get(op.tensor),
      ];
      const unused = (12 * WORDS) / 2;
      expect(after?.subarray(unused)).toEqual(before?.subarray(unused));
      expect(after?.subarray(0, unused)).not.toEqual(before?.subarray(0, unused));
      expect(payload.length).toBeLessThanOrEqual(Math.floor(0.03 * 4 * (12 * WORDS + 12 * LENGTH * 4 + 4)));
      expect(metrics.diff.accuracy).toBeGreaterThan((metrics.base.accuracy as number) + 0.2);
    },
  );

  test('the table is hashed or masked where the budget does not pay for directions', async () => {
    const fullFineTune = await fineTune({ ...options, epochs: 2 });
    for (const train of Object.values(KINDS)) {
      const { payload, model } = await train({ ...options, budget: '150', epochs: 1, fullFineTune });
      const { diff } = await decodePayload(payload, model.tensors);
      expect(diff.ops.map(({ kind }) => kind)).not.toContain('low-rank');
    }
  });

  test('a device of float16 gets the model that was trained', async () => {
    const tensors = options.task.weights.map(({ name, variable: { shape } }) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return { name, shape, dtype: 'float16' as const, bytes: new Uint8Array(2 * count).fill(0x2c) };
    });
    const { payload, model, metrics } = await trainHashDiff({ ...options, device: { tensors } });
    const { diff } = await decodePayload(payload, model.tensors);
    expect(diff.ops.map(({ kind }) => kind)).toContain('low-rank');
    expect(metrics.diff.accuracy).toBeGreaterThan(metrics.base.accuracy as number);
  });
});

describe('tables whose rows are looked up are known', () => {
  beforeAll(() => useBackend('wasm'));

  test('of LayersModels, in nested models and wrappers, too', () => {
    const inner = tf.sequential({
      layers: [tf.layers.embedding({ name: 'in', inputDim: 5, outputDim: 3, inputLength: 4 })],
    });
    const model = tf.sequential({
      layers: [tf.layers.timeDistributed({ layer: inner, inputShape: [2, 4] })],
    });
    model.add(tf.layers.flatten());
    model.add(tf.layers.dense({ units: 2 }));
    const marked = namedWeights(model).filter(({ isEmbedding }) => isEmbedding);
    expect(marked.map(({ variable }) => variable.shape)).toEqual([[5, 3]]);
  });

  test('of GraphModels, unless they are used otherwise, too', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', [-1, 2]);
    const indexes = graph.node('Cast', [x], { SrcT: 'float32', DstT: 'int32' });
    const weights = (name: string, shape: readonly number[]) =>
      graph.weights(name, shape, { values: seededFloats(5, tf.util.sizeFromShape([...shape])) });
    const axis = graph.integers('axis', [0]);
    const table = weights('table', [7, 3]);
    const tied = weights('tied', [7, 3]);
    const rows = [table, tied].map((each) =>
      graph.node('GatherV2', [each, indexes, axis], { batch_dims: 0 }),
    );
    const sum = graph.node('AddV2', rows as [never, never]);
    const y = graph.node('BatchMatMulV2', [sum, tied], { adj_x: false, adj_y: true });
    const network = openGraphNetwork(await loadGraph(graph.files({ y })));
    const marked = network.weights.filter(({ isEmbedding }) => isEmbedding);
    expect(marked.map(({ name }) => name)).toEqual(['table']);
    network.dispose();
  });
});

test('principalDirections() finds them in the order of their strength', () => {
  const [rows, columns] = [300, 6];
  const axes = [Float32Array.of(1, 1, 0, 0, 0, 0), Float32Array.of(0, 0, 1, -1, 0, 0)];
  const noise = seededFloats(3, 2 * rows);
  const values = Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const at = (k: number) => (noise[2 * row + k] as number) * ((axes[k] as Float32Array)[column] as number);
    return 3 * at(0) + at(1);
  });
  const found = principalDirections(values, { columns, rank: 3, seed: 1 });
  const vector = (k: number) => Array.from(found.subarray(k * columns, (k + 1) * columns), Math.abs);
  const first = Math.sqrt(3);
  for (const [i, value] of [first, first, 0, 0, 0, 0].entries()) expect(vector(0)[i]).toBeCloseTo(value, 1);
  expect(vector(1)[2]).toBeGreaterThan(0.25 * first);
  expect(vector(1)[2]).toBeLessThan(0.45 * first);
  expect(vector(1)[0]).toBeLessThan(0.1);
});
