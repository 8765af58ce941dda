import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { routeFrames } from '../../../examples/streaming-keywords/backlog.js';
import {
  FRAME_FEATURES,
  WINDOW_FEATURES,
  WINDOW_FRAMES,
} from '../../../examples/streaming-keywords/frames.js';
import {
  type BranchShape,
  createStreamModel,
  frameCosts,
} from '../../../examples/streaming-keywords/model.js';
import { createPlainEngine, createRecogniser } from '../../../examples/streaming-keywords/recogniser.js';
import { shrinkInto } from '../../../examples/streaming-keywords/shrink.js';
import { createTensorEngine } from '../../../examples/streaming-keywords/tensor-engine.js';
import { createStreamLoss } from '../../../examples/streaming-keywords/training.js';
import { namedWeights } from '../../../src/tfjs/weights.js';
import { seededFloats } from '../../support.js';
import { createSmallModel, setModel, smallWeights, weightsOf } from './small-model.js';

beforeAll(() => tf.setBackend('cpu'));

const FRAMES = 40;
const frames = seededFloats(3, (FRAMES + WINDOW_FRAMES - 1) * FRAME_FEATURES).map((x) => 2 * x);
const windows = Array.from({ length: FRAMES }, (_, i) =>
  frames.slice(i * FRAME_FEATURES, i * FRAME_FEATURES + WINDOW_FEATURES),
);

/** @returns what the whole network gives: probabilities, shares of the full branch, frames that wait */
function predict(model: tf.LayersModel, load?: number) {
  const xs = tf.tensor(frames, [1, FRAMES + WINDOW_FRAMES - 1, FRAME_FEATURES]);
  const inputs = load === undefined ? xs : [xs, tf.tensor([load], [1, 1])];
  const [classes, route] = [model.predict(inputs)].flat() as [tf.Tensor, tf.Tensor?];
  const values = classes.dataSync() as Float32Array;
  const routes = route?.dataSync() as Float32Array | undefined;
  return {
    rows: windows.map((_, i) =>
      values.slice((i * values.length) / FRAMES, ((i + 1) * values.length) / FRAMES),
    ),
    full: windows.map((_, i) => routes?.[2 * i] ?? 1),
    waiting: windows.map((_, i) => routes?.[2 * i + 1] ?? 0),
  };
}

const mostApart = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.flatMap((row, i) => [...row].map((x, j) => Math.abs(x - (b[i]?.[j] as number)))));

describe('a recogniser that runs frame by frame', () => {
  test.each([0.5, 1.3, 2])('gives what the whole network gives at a load of %d', async (load) => {
    const weights = await smallWeights();
    const model = createSmallModel();
    await setModel(model, weights);
    const { rows, full, waiting } = predict(model, load);
    const tensors = createTensorEngine(model);
    for (const engine of [createPlainEngine(weightsOf(weights)), tensors]) {
      const recogniser = createRecogniser(engine, { classes: rows[0]?.length as number, threshold: 0.5 });
      const results = windows.map((window, i) => {
        const { branch, probabilities } = recogniser.push(window, waiting[i] as number);
        return { branch, probabilities: probabilities.slice() };
      });
      expect(results.map(({ branch }) => branch)).toEqual(
        full.map((share) => (share === 1 ? 'full' : 'fast')),
      );
      expect(
        mostApart(
          results.map(({ probabilities }) => probabilities),
          rows,
        ),
      ).toBeLessThan(1e-5);
    }
    if (load > 1) expect(Math.max(...waiting)).toBeGreaterThan(1);
    expect(new Set(full).size).toBe(2);
    tensors.dispose();
    model.dispose();
  });

  test('refuses a model that lacks a weight', async () => {
    const weights = weightsOf(await smallWeights());
    weights.delete('words/gru/bias');
    expect(() => createPlainEngine(weights)).toThrow('the model has no weight "words/gru/bias"');
  });
});

describe('shrinkInto()', () => {
  const full = (units: number) => createStreamModel({ branches: { full: { units } }, classes: 4, seed: 2 });
  const shrunk = (shape: BranchShape, trained: tf.LayersModel) => {
    const model = createStreamModel({ branches: { full: shape }, classes: 4, seed: 9 });
    shrinkInto(trained, model, { full: shape });
    return model;
  };

  test('reproduces the outputs with factors of full rank', () => {
    const trained = full(20);
    // No kernel has a larger rank than its lesser side.
    const model = shrunk({ units: 20, rank: 20 }, trained);
    expect(mostApart(predict(model).rows, predict(trained).rows)).toBeLessThan(1e-4);
  });

  test('comes nearer with each rank', () => {
    const trained = full(20);
    const errors = [2, 8, 16].map((rank) =>
      mostApart(predict(shrunk({ units: 20, rank }, trained)).rows, predict(trained).rows),
    );
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
  });

  test('keeps the most important units when it prunes', () => {
    const trained = full(20);
    const variables = new Map(namedWeights(trained).map(({ name, variable }) => [name, variable]));
    // Only units 3, 7 and 11 of the first layer reach the second one, and 2, 5 and 13 of it the third.
    const mask = (name: string, kept: readonly number[]): void => {
      const kernel = variables.get(name) as tf.Variable;
      const rows = Array.from({ length: 20 }, (_, i) => (kept.includes(i) ? 1 : 0));
      kernel.assign(tf.mul(kernel, tf.tensor(rows, [20, 1])));
    };
    mask('full/dense2/kernel', [3, 7, 11]);
    mask('full/dense3/kernel', [2, 5, 13]);
    const model = shrunk({ units: 3 }, trained);
    expect(mostApart(predict(model).rows, predict(trained).rows)).toBeLessThan(1e-6);
  });
});

describe('routeFrames()', () => {
  const [streams, length] = [2, 12];
  const values = seededFloats(4, streams * length);
  const load = () => tf.tensor([0.8, 1.7], [streams, 1]);
  const weights = () => tf.tensor(seededFloats(6, streams * length * 2), [streams, length, 2]);
  const route = (scores: tf.Tensor, slope: tf.Tensor, temperature: number): tf.Tensor =>
    routeFrames(scores, { slope, load: load(), settings: { temperature, fastShare: 0.3 } });
  const lossOf = (scores: Float32Array, slope: number): number =>
    tf.tidy(() => {
      const routed = route(tf.tensor(scores, [streams, length, 1]), tf.tensor([slope]), 0.5);
      return tf.sum(tf.mul(routed, weights())).dataSync()[0] as number;
    });

  test('has the gradients of finite differences', () => {
    const loss = (scores: tf.Tensor, slope: tf.Tensor): tf.Scalar =>
      tf.sum(tf.mul(route(scores, slope, 0.5), weights()));
    const [ofScores, ofSlope] = tf.grads(loss)([tf.tensor(values, [streams, length, 1]), tf.tensor([0.4])]);
    const step = 1e-2;
    const found = [...(ofScores?.dataSync() ?? [])];
    const expected = found.map((_, i) => {
      const moved = (by: number) =>
        lossOf(
          values.map((x, j) => (i === j ? x + by : x)),
          0.4,
        );
      return (moved(step) - moved(-step)) / (2 * step);
    });
    for (const [i, x] of found.entries()) expect(x).toBeCloseTo(expected[i] as number, 2);
    expect(Math.max(...found.map(Math.abs))).toBeGreaterThan(0.1);
    const slope = (lossOf(values, 0.4 + step) - lossOf(values, 0.4 - step)) / (2 * step);
    expect(ofSlope?.dataSync()[0]).toBeCloseTo(slope, 1);
  });

  test('decides with hard choices as devices do', () => {
    const routed = route(tf.tensor(values, [streams, length, 1]), tf.tensor([0.4]), 0).dataSync();
    for (let stream = 0; stream < streams; stream++) {
      let waiting = 0;
      for (let i = stream * length; i < (stream + 1) * length; i++) {
        const isFull = (values[i] as number) - 0.4 * waiting >= 0;
        expect(routed[2 * i]).toBe(isFull ? 1 : 0);
        expect(routed[2 * i + 1]).toBeCloseTo(waiting, 5);
        waiting = Math.max(0, waiting + ([0.8, 1.7][stream] as number) * (isFull ? 1 : 0.3) - 1);
      }
    }
  });
});

test('frameCosts() counts the multiplications of each part', () => {
  const network = { branches: { full: { units: 16 }, fast: { units: 12, rank: 2 } }, classes: 14, seed: 1 };
  expect(frameCosts(network)).toEqual({
    full: 480 * 16 + 16 * 16 + 16 * 32,
    fast: 2 * (480 + 12 + 12 + 12 + 12 + 32),
    arbitrator: 480 * 4 + 4,
    words: 3 * 32 * 64 + 32 * 14,
  });
});

test('createStreamLoss() takes the share of the prices that is charged at the time', () => {
  const charge = { share: 0 };
  const [, ofRoute] = createStreamLoss({ compute: 0.5, waiting: 0.25 }, charge);
  const route = tf.tensor3d([1, 0, 0, 4], [1, 2, 2]);
  const priceOf = (): number[] => Array.from(ofRoute(route, route).dataSync());
  expect(priceOf()).toEqual([0, 0]);
  charge.share = 1;
  expect(priceOf()).toEqual([0.5, 1]);
  charge.share = 0.5;
  expect(priceOf()).toEqual([0.25, 0.5]);
});
