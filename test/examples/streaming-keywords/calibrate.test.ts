import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { calibrateArbitrator, raiseThreshold } from '../../../examples/streaming-keywords/calibrate.js';
import type { FrameSet } from '../../../examples/streaming-keywords/data.js';
import { hearStreams, reportsOf } from '../../../examples/streaming-keywords/measure.js';
import { createStreamModel } from '../../../examples/streaming-keywords/model.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { namedWeights } from '../../../src/tfjs/weights.js';
import { noisyStreams } from './noisy-streams.js';
import { createSmallModel } from './small-model.js';

beforeAll(() => useBackend('wasm'));

const BIAS = 'arbitrator/dense2/bias';

/** @returns the share of the frames in which the full branch runs */
function fullShareOf(model: tf.LayersModel, set: FrameSet): number {
  const { full } = hearStreams(model, set, { loads: [0.5] });
  return full.reduce((sum, each) => sum + each, 0) / full.length;
}

const weightsOf = (model: tf.LayersModel): Map<string, number[]> =>
  new Map(namedWeights(model).map(({ name, variable }) => [name, [...variable.dataSync()]]));

test('raiseThreshold() changes the last bias of the arbitrator alone, by the least that is enough', () => {
  const model = createSmallModel();
  const set = noisyStreams(1, 5);
  const before = weightsOf(model);
  const share = fullShareOf(model, set);
  expect(share).toBeGreaterThan(0.1);
  const isEnough = (): boolean => fullShareOf(model, set) < share / 2;
  expect(raiseThreshold(model, isEnough)).toBe(true);
  expect(isEnough()).toBe(true);
  const changed = [...weightsOf(model)].filter(([name, values]) => `${values}` !== `${before.get(name)}`);
  expect(changed.map(([name]) => name)).toEqual([BIAS]);
  const bias = namedWeights(model).find(({ name }) => name === BIAS)?.variable;
  tf.tidy(() => bias?.assign(tf.add(bias, 6 / 2 ** 7)));
  expect(isEnough()).toBe(false);
  // Nothing is ever enough: it ends, at the most.
  const [start] = weightsOf(model).get(BIAS) as [number];
  expect(raiseThreshold(model, () => false)).toBe(false);
  expect(weightsOf(model).get(BIAS)).toEqual([start - 6]);
});

test('calibrateArbitrator() takes the highest threshold that loses no accuracy', () => {
  const model = createSmallModel();
  const set = noisyStreams(1, 5);
  // Frames whose class no output has, and no words: accuracy is the same with each threshold.
  const labels = set.labels.map(() => 99);
  const spoken = set.spoken.map(() => []);
  calibrateArbitrator(model, { ...set, labels, spoken });
  expect(weightsOf(model).get(BIAS)).toEqual([-6 * (1 - 2 ** -7)]);
});

test('calibrateArbitrator() takes back steps that lose too much', () => {
  const model = createSmallModel();
  const set = noisyStreams(1, 5);
  const { probabilities } = hearStreams(model, set, { loads: [0.5] });
  // What it says with the full branch is right, so that less of it is not.
  const classes = probabilities.length / set.labels.length;
  const labels = set.labels.map((_, i) => {
    const own = probabilities.subarray(i * classes, (i + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
  calibrateArbitrator(model, { ...set, labels });
  const [bias] = weightsOf(model).get(BIAS) as [number];
  expect(bias).toBeGreaterThan(-5.9);
});

test('calibrateArbitrator() takes back steps that lose words, though frames are as before', () => {
  const model = createSmallModel();
  const output = namedWeights(model).find(({ name }) => name === 'words/output/kernel')?.variable;
  tf.tidy(() => output?.assign(tf.mul(output, 40)));
  const set = noisyStreams(2, 5);
  const { probabilities } = hearStreams(model, set, { loads: [0.5] });
  // What it reports with the full branch was spoken.
  const spoken = reportsOf(probabilities, set, 0.5).map((reports) =>
    reports.map(({ label, frame }) => ({ label, first: frame, last: frame })),
  );
  expect(spoken.flat().length).toBeGreaterThan(10);
  const labels = set.labels.map(() => 99);
  calibrateArbitrator(model, { ...set, labels, spoken });
  const [bias] = weightsOf(model).get(BIAS) as [number];
  expect(bias).toBeGreaterThan(-3);
});

test('raiseThreshold() refuses a model without an arbitrator', () => {
  const model = createStreamModel({ branches: { full: { units: 4 } }, classes: 14, seed: 1 });
  expect(() => raiseThreshold(model, () => true)).toThrow('the model has no arbitrator');
});
