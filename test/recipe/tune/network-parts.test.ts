import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { loadRecipe } from '../../../src/recipe/recipe.js';
import type { Trial } from '../../../src/recipe/tune/goal.js';
import { activationScore } from '../../../src/recipe/tune/network/activation-score.js';
import {
  createNetwork,
  type NetworkUse,
  networkOf,
} from '../../../src/recipe/tune/network/create-network.js';
import { groupOf } from '../../../src/recipe/tune/network/gates.js';
import { Latency, LatencySurface, type SoftChoice } from '../../../src/recipe/tune/network/latency.js';
import { LayerCosts, layersOf } from '../../../src/recipe/tune/network/layer-costs.js';
import { createSupernet, deriveConfiguration } from '../../../src/recipe/tune/network/supernet.js';
import { comparePredicted } from '../../../src/recipe/tune/network/time-models.js';
import { nextTrials } from '../../../src/recipe/tune/plan.js';
import { type Configuration, defaultOf, keyOf, listAll, type Space } from '../../../src/recipe/tune/space.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { namedWeights } from '../../../src/tfjs/weights.js';
import { recipe } from '../../cli/command.js';

let use: NetworkUse;
beforeAll(async () => {
  await useBackend('wasm');
  use = networkOf('network.mjs', await loadRecipe(recipe('network')));
});

const points = (): tf.Tensor2D => tf.randomNormal([16, 2], 0, 1, 'float32', 5);

test('LayerCosts measures each distinct layer once, and a network is the sum of its layers', async () => {
  const costs = new LayerCosts();
  const models = [768, 192].map(
    (width) => createNetwork(use, { ...defaultOf(use.space), width2: width }, { seed: 1 }).model,
  );
  const layers = models.map(layersOf);
  await costs.measure(layers);
  await costs.measure(layers);
  const keys = costs.rows.map(({ key }) => key);
  // The first layer is the same in both, the second and the last differ.
  expect([keys.length, new Set(keys).size]).toEqual([5, 5]);
  const [own = []] = layers;
  const parts = own.map(({ key }) => costs.rows.find((row) => row.key === key)?.milliseconds as number);
  const { milliseconds, multiplyAdds, weights } = costs.sum(own, 7);
  expect(milliseconds).toBeCloseTo(parts[0]! + parts[1]! + parts[2]!, 12);
  expect([multiplyAdds, weights]).toEqual([2 * 768 + 768 * 768 + 768 * 3, 7]);
  expect(Math.min(...parts)).toBeGreaterThan(0);
  expect(() => new LayerCosts().sum(own, 0)).toThrow(RangeError);
});

/** Widths of 32 and 64, and two branches; milliseconds as products of widths would take. */
const CHOICES: readonly SoftChoice[] = [
  { name: 'a', kind: 'gate', values: [64, 48, 32, 16] },
  { name: 'b', kind: 'gate', values: [64, 32, 16] },
  { name: 'c', kind: 'pick', values: ['plain', 'double'] },
];
const SPACE: Space = { choices: CHOICES };
const takes = ({ a, b, c }: Readonly<Record<string, string | number>>): number =>
  0.1 + Number(a) / 100 + (c === 'plain' ? 1 : 2) * (Number(b) / 200) + (Number(a) * Number(b)) / 10_000;

test('LatencySurface gives the milliseconds of products of widths, and falls as gates close', () => {
  const all = listAll(SPACE, 100) ?? [];
  const surface = new LatencySurface(
    CHOICES,
    all.map((configuration) => ({ configuration, milliseconds: takes(configuration) })),
  );
  for (const each of all) expect(surface.at(each)).toBeCloseTo(takes(each), 3);
  const expected = (a: number, c: readonly number[]): number => {
    const shares = { a: tf.scalar(a), b: tf.scalar(0.5), c: tf.tensor1d([...c]) };
    return surface.expected(new Map(Object.entries(shares))).dataSync()[0] as number;
  };
  expect(expected(1, [1, 0])).toBeCloseTo(takes({ a: 64, b: 32, c: 'plain' }), 3);
  expect(expected(0.5, [1, 0])).toBeLessThan(expected(0.6, [1, 0]));
  const between = [expected(1, [1, 0]), expected(1, [0.5, 0.5]), expected(1, [0, 1])];
  expect(between).toEqual([...between].sort((a, b) => a - b));
});

test('calibrate() scales predictions by the median of whole networks', async () => {
  const latency = new Latency(use);
  const configurations = (listAll(use.space, 100) ?? []).slice(0, 3);
  await latency.measure(configurations);
  const before = configurations.map((each) => latency.costOf(each).milliseconds);
  latency.calibrate(
    configurations.map((configuration, i) => ({
      configuration,
      milliseconds: (i + 1) * (before[i] as number),
    })),
  );
  expect(latency.scale).toBeCloseTo(2, 9);
  const [cost] = configurations.map((each) => latency.costOf(each).milliseconds);
  expect(cost).toBeCloseTo(2 * (before[0] as number), 9);
  expect(() => latency.costOf({ width1: 4 })).toThrow(RangeError);
});

test('comparePredicted() gives the rank correlation and the mean error', () => {
  expect(comparePredicted([1, 2, 3], [2, 4, 6])).toEqual({ networks: 3, rankCorrelation: 1, meanError: 0.5 });
  expect(comparePredicted([1, 2, 3], [3, 2, 1]).rankCorrelation).toBe(-1);
});

test('a supernet has the largest widths and all branches; with all gates open it is the plain network', async () => {
  const net = createSupernet(use, use.space, 1);
  expect(net.configuration).toMatchObject({ width1: 768, width2: 768 });
  expect(net.choices.map(({ name, kind }) => [name, kind])).toEqual([
    ['width1', 'gate'],
    ['block', 'pick'],
    ['width2', 'gate'],
  ]);
  const xs = points();
  for (const [branch, block] of [[0, 'plain'] as const, [1, 'double'] as const]) {
    net.gates.get('block')?.setLogits(branch === 0 ? [1, 0] : [0, 1]);
    const { model: plain } = createNetwork(use, { ...net.configuration, block }, { seed: 1 });
    const [open, expected] = [net.model, plain].map((model) => (model.predict(xs) as tf.Tensor).dataSync());
    expect(open).toEqual(expected);
  }
});

test('gates harden as the temperature falls', () => {
  const { gates, control, model } = createSupernet(use, use.space, 1);
  const gate = gates.get('width1')!;
  const logits = Array.from({ length: 768 / groupOf([768, 192]) }, (_, i) => (i % 4 === 0 ? 0.5 : -0.5));
  gate.setLogits(logits);
  const shareAt = (temperature: number): number => {
    control.temperature = temperature;
    return gate.share().dataSync()[0] as number;
  };
  // A quarter is open: at once when gates are hard, hardly to be seen when they are soft.
  expect(shareAt(0.02)).toBeCloseTo(0.25, 6);
  expect(shareAt(1)).toBeGreaterThan(0.4);
  const xs = tf.ones([1, 768]);
  const soft = (): number => {
    const values = (gate.apply(xs, { training: true }) as tf.Tensor).dataSync();
    return values.filter((value) => value > 0.01 && value < 0.99).length;
  };
  control.temperature = 1;
  const before = soft();
  control.temperature = 0.02;
  expect(before).toBeGreaterThan(100);
  expect(soft()).toBe(0);
  gates.get('block')?.setLogits([0.1, -0.1]);
  expect(gates.get('block')?.share().dataSync()[0]).toBeGreaterThan(0.99);
  model.dispose();
});

test('a network of the open channels, with their weights, gives what the supernet with hard gates gives', () => {
  const net = createSupernet(use, use.space, 1);
  const group = groupOf([768, 192]);
  const isOpen = (channel: number): boolean => Math.floor(channel / group) % 4 === 1;
  for (const name of ['width1', 'width2'])
    net.gates.get(name)?.setLogits(Array.from({ length: 768 / group }, (_, i) => (i % 4 === 1 ? 1 : -1)));
  net.gates.get('block')?.setLogits([1, 0]);
  const open = Int32Array.from(Array.from({ length: 768 }, (_, i) => i).filter(isOpen));
  const configuration = { ...net.configuration, block: 'plain', width1: 192, width2: 192 };
  const { model } = createNetwork(use, configuration, { seed: 9 });
  const all = new Map(namedWeights(net.model).map(({ name, variable }) => [name, variable]));
  for (const { name, variable } of namedWeights(model)) {
    let from: tf.Tensor = all.get(name)!;
    for (const axis of variable.shape.keys())
      if (variable.shape[axis] !== from.shape[axis]) from = tf.gather(from, tf.tensor1d(open, 'int32'), axis);
    variable.assign(from);
  }
  const xs = points();
  const [gated, small] = [net.model, model].map((each) => each.predict(xs) as tf.Tensor);
  expect(tf.max(tf.abs(tf.sub(gated!, small!))).dataSync()[0]).toBeLessThan(1e-5);
});

test('deriveConfiguration() follows the gates, and closes the weakest until the limit is met', async () => {
  const latency = new Latency(use);
  const net = createSupernet(use, use.space, 1);
  const groups = 768 / groupOf([768, 192]);
  net.gates.get('block')?.setLogits([0, 1]);
  net.gates.get('width1')?.setLogits(Array.from({ length: groups }, (_, i) => (i < groups / 4 ? 2 : -2)));
  net.gates.get('width2')?.setLogits(Array.from({ length: groups }, () => 1));
  const small = { ...net.configuration, block: 'double', width1: 192, width2: 192 };
  const asked = { ...net.configuration, block: 'double', width1: 192, width2: 768 };
  await latency.measure([small, asked, { ...asked, width1: 768 }, { ...asked, width2: 192 }]);
  const takes = (of: typeof asked): number => latency.costOf(of).milliseconds;
  const derive = (limit: number, mostWeights = Number.POSITIVE_INFINITY) => {
    const isSmall = ({ weights }: { readonly weights: number }): boolean => weights <= mostWeights;
    return deriveConfiguration(net, latency, { limit, isSmall });
  };
  const ample = takes({ ...asked, width1: 768 }) * 1e3;
  expect(await derive(ample)).toMatchObject({ width1: 768, width2: 768, block: 'double' });
  const found = await derive(takes({ ...asked, width2: 192 }) * 1.0001);
  expect(found).toMatchObject({ block: 'double', width2: 192 });
  expect(await derive(takes(small) / 2)).toBeUndefined();
  expect(await derive(ample, latency.costOf(small).weights)).toMatchObject({ width1: 192, width2: 192 });
});

test('nextTrials() tries candidates alone where there are some, with what is known of them', async () => {
  const candidates = (listAll(SPACE, 100) ?? []).filter(({ a }) => Number(a) <= 32);
  const goal = { minimise: 'error', limits: {} };
  const trials: Trial[] = [];
  const factsOf = (of: Configuration): number[] => [takes(of)];
  // Of another task all was tried in full, what is no candidate here too.
  const known = (listAll(SPACE, 100) ?? []).map((configuration): Trial => {
    return { configuration, fidelity: 1, measured: { error: -takes(configuration) } };
  });
  const state = { space: SPACE, goal, trials, known: [known], seed: 1, most: 6, candidates, factsOf };
  for (let round = await nextTrials(state); round.length > 0; round = await nextTrials(state))
    trials.push(
      ...round.map((planned) => ({ ...planned, measured: { error: -takes(planned.configuration) } })),
    );
  const keys = candidates.map(keyOf);
  expect(trials.map(({ configuration }) => keys.includes(keyOf(configuration)))).not.toContain(false);
  expect(trials.filter(({ fidelity }) => fidelity === 1).length).toBeGreaterThan(2);
  // What takes longest is best here: the forecasts find it.
  const best = trials.reduce((most, each) =>
    takes(each.configuration) > takes(most.configuration) ? each : most,
  );
  expect(best.configuration).toMatchObject({ a: 32, b: 64 });
});

test('activationScore() is the same for a seed, higher for more units, and needs rectifiers', async () => {
  const score = async (width1: number, seed: number): Promise<number> => {
    const { model } = createNetwork(use, { ...defaultOf(use.space), width1 }, { seed });
    return activationScore(model, [points()]);
  };
  const [first, again, narrow] = [await score(768, 1), await score(768, 1), await score(192, 1)];
  expect(first).toBe(again);
  expect(first).not.toBe(await score(768, 2));
  expect(first).toBeGreaterThan(narrow);
  const linear = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2] })] });
  await expect(activationScore(linear, [points()])).rejects.toMatchObject({ code: 'unsupported-model' });
});
