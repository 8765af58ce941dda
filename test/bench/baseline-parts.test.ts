import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { costBytes, expectedLevelBits, positionBits, valueBits } from '../../bench/baselines/entropy.js';
import { createFactorPart } from '../../bench/baselines/factor-part.js';
import { chooseRanks, decompose, matrixShape, truncate } from '../../bench/baselines/factors.js';
import { channelsOf, fitGrid, roundToGrid } from '../../bench/baselines/grid.js';
import { countOf, largestMask } from '../../bench/baselines/mask.js';
import { createSignPart } from '../../bench/baselines/sign-part.js';
import { quantiseToBits } from '../../bench/baselines/uniform.js';
import type { TensorInfo } from '../../src/model/tensor.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { readFloatsSync } from '../../src/train/part.js';
import { createRandom } from '../../src/train/random.js';

const random = createRandom(4);
const noise = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random() + random() + random() + random() - 2);

beforeAll(() => useBackend('cpu'));

test('positionBits() is the binary entropy of the density', () => {
  expect(positionBits(1, 2)).toBe(2);
  expect(positionBits(2, 8)).toBeCloseTo(2 * 2 + 6 * Math.log2(8 / 6), 12);
  expect([positionBits(0, 8), positionBits(8, 8)]).toEqual([0, 0]);
});

test('valueBits() is the empirical entropy of order 0', () => {
  expect(valueBits([1, 1, 2, 3])).toBe(6);
  expect(valueBits(Int16Array.of(-5, -5, -5))).toBe(0);
  expect(valueBits([])).toBe(0);
});

test('costBytes() rounds all bits up together and counts four bytes a scale', () => {
  const costs = [
    { bits: 4.5, scales: 1 },
    { bits: 3.6, scales: 2 },
  ];
  expect(costBytes(costs)).toBe(2 + 12);
});

test.each([3, 4, 8])('expectedLevelBits() bounds what levels of %i bits cost', (bits) => {
  const most = 2 ** (bits - 1) - 1;
  const bound = expectedLevelBits(most / 3, 2 * most + 1);
  const found = valueBits(quantiseToBits(noise(50_000), bits).levels) / 50_000;
  expect(found).toBeLessThan(bound);
  expect(found).toBeGreaterThan(0.93 * bound);
  expect(bound).toBeLessThan(Math.log2(2 * most + 1));
});

test('fitGrid() finds the grid that values lie on, a step a channel', () => {
  const values = Float32Array.of(7, 0.5, -3, -1, 0, 3.5);
  const grid = fitGrid(values, { bits: 4, channels: 2 });
  expect(Array.from(grid.scales)).toEqual([1, 0.5]);
  const { levels, values: rounded, cost } = roundToGrid(values, grid);
  expect(Array.from(levels)).toEqual([7, 1, -3, -2, 0, 7]);
  expect(rounded).toEqual(values);
  expect(cost).toEqual({ bits: valueBits(levels), scales: 2 });
});

test('fitGrid() clips a lone outlier rather than waste every other level', () => {
  const values = Float32Array.from([...noise(2_000), 8]);
  const { scales } = fitGrid(values, { bits: 4, channels: 1 });
  expect(scales[0]).toBeLessThan(8 / 7 / 2);
});

test('channelsOf() counts outputs, the inputs of depthwise kernels, and no channels of few weights', () => {
  const info = (...shape: number[]): TensorInfo => ({ name: 'a', dtype: 'float32', shape });
  expect(channelsOf(info(5, 1, 40, 96))).toBe(96);
  expect(channelsOf(info(7, 7, 128, 1))).toBe(128);
  expect(channelsOf(info(3, 1, 128, 1))).toBe(1);
  expect(channelsOf(info(31, 8))).toBe(1);
});

test('matrixShape() splits a tensor where its factors are smallest', () => {
  const shape = (...shape: number[]) => matrixShape({ name: 'a', dtype: 'float32', shape });
  expect(shape(5, 1, 40, 96)).toEqual({ rows: 200, columns: 96 });
  expect(shape(5, 1, 128, 1)).toEqual({ rows: 5, columns: 128 });
  expect(shape(30, 20)).toEqual({ rows: 30, columns: 20 });
});

test('truncate() gives the best product of a rank, and the matrix itself at full rank', () => {
  const info: TensorInfo = { name: 'a', dtype: 'float32', shape: [4, 6] };
  const values = new Map([['a', noise(24)]]);
  const [whole] = decompose([info], values) as [ReturnType<typeof decompose>[number]];
  for (const rank of [1, 4]) {
    const [{ left, right }] = truncate(whole, rank) as [ReturnType<typeof truncate>[number]];
    const product = readFloatsSync(tf.matMul(tf.tensor2d(left, [4, rank]), tf.tensor2d(right, [rank, 6])));
    const error = product.reduce((sum, value, i) => sum + (value - (values.get('a')?.[i] as number)) ** 2, 0);
    const rest = whole.singularValues.slice(rank).reduce((sum, value) => sum + value ** 2, 0);
    expect(error).toBeCloseTo(rest, 5);
  }
  expect(truncate(whole, 0)).toEqual([]);
});

test('chooseRanks() gives the budget to the components that matter most, or to all tensors first', () => {
  const tensors = ['a', 'b'].map((name): TensorInfo => ({ name, dtype: 'float32', shape: [3, 3] }));
  const values = new Map([
    ['a', Float32Array.of(9, 0, 0, 0, 8, 0, 0, 0, 7)],
    ['b', Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0)],
  ]);
  const parts = decompose(tensors, values);
  const options = { importanceOf: () => 1, bits: 4, tensorBits: 64 };
  const update = { ...options, leastRank: 0 as const };
  const component = 6 * 4;
  expect(chooseRanks(parts, { ...update, budgetBits: 64 + 2 * component })).toEqual(new Map([['a', 2]]));
  expect(chooseRanks(parts, { ...update, budgetBits: 63 + component })).toBeUndefined();
  const whole = { ...options, leastRank: 1 as const };
  expect(chooseRanks(parts, { ...whole, budgetBits: 128 + 3 * component })).toEqual(
    new Map([
      ['a', 2],
      ['b', 1],
    ]),
  );
  expect(chooseRanks(parts, { ...whole, budgetBits: 127 + 2 * component })).toBeUndefined();
});

test('largestMask() takes the most salient weights of all tensors that fit', () => {
  const saliency = new Map([
    ['a', Float32Array.of(0, 5, 1, 0)],
    ['b', Float32Array.of(4, 0, 3)],
  ]);
  const fits = (most: number) => largestMask(saliency, (positions) => countOf(positions) <= most);
  expect(fits(3)).toEqual(
    new Map([
      ['a', Uint32Array.of(1)],
      ['b', Uint32Array.of(0, 2)],
    ]),
  );
  expect(countOf(fits(99) ?? new Map())).toBe(4);
  expect(fits(0)).toBeUndefined();
});

/** The gradient of `sum(gradient * weights)` by a parameter, by differences. */
function slope(setup: {
  part: ReturnType<typeof createSignPart>;
  gradient: tf.Tensor;
  which: number;
  index: number;
}): number {
  const { part, gradient, which, index } = setup;
  const variable = part.parameters[which] as tf.Variable;
  const before = readFloatsSync(variable);
  const at = (shift: number): number => {
    variable.assign(tf.tensor1d(before.map((value, i) => value + (i === index ? shift : 0))));
    const weights = part.materialise(new Map([['a', tf.zerosLike(gradient)]])).get('a') as tf.Tensor;
    return tf.sum(tf.mul(weights, gradient)).dataSync()[0] as number;
  };
  const found = (at(0.25) - at(-0.25)) / 0.5;
  variable.assign(tf.tensor1d(before));
  return found;
}

const GRADIENT = noise(12);

test.each([
  [
    'createSignPart()',
    () => createSignPart(new Map([['a', noise(12).map(Math.sign)]]), new Map([['a', 0.5]])),
  ],
  [
    'createFactorPart()',
    () => {
      const factors = { name: 'a', rows: 3, columns: 4, rank: 2, left: noise(6), right: noise(8) };
      return createFactorPart([factors], { bits: 8, isUpdate: true });
    },
  ],
])('%s pulls gradients back to its parameters', (_name, create) => {
  const part = create();
  const gradient = tf.tensor2d(GRADIENT, [3, 4]);
  const pulled = tf.tidy(() => part.pullBack(new Map([['a', gradient]])).map(readFloatsSync));
  pulled.forEach((values, which) => {
    values.forEach((value, index) => {
      // Rounding moves what differences measure: the steps of 8 bits are small, not zero.
      expect(Math.abs(slope({ part, gradient, which, index }) - value)).toBeLessThan(0.15);
    });
  });
  part.dispose();
});
