import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quantiseBuckets } from '../../src/hash-diff/buckets.js';
import { createHashPart } from '../../src/hash-diff/hash-part.js';
import { elementCount, type Model, type TensorInfo } from '../../src/model/index.js';
import { createAnnealedPart } from '../../src/sparse-diff/annealed-part.js';
import { quantiseNonZero } from '../../src/sparse-diff/levels.js';
import { createRewoundPart } from '../../src/sparse-diff/rewound-part.js';
import { positionsAbove, thresholds } from '../../src/sparse-diff/saliency.js';
import {
  createDensePart,
  createRandom,
  type DiffPart,
  patchModel,
  quantiseUniform,
} from '../../src/train/index.js';

const TENSORS: readonly TensorInfo[] = [
  { name: 'a/kernel', dtype: 'float32', shape: [37, 11] },
  { name: 'b/kernel', dtype: 'float32', shape: [5, 3, 7] },
];

const random = createRandom(3);
const noise = (count: number, size: number): Float32Array =>
  Float32Array.from({ length: count }, () => size * (2 * random() - 1));
const BASE = new Map(TENSORS.map((info) => [info.name, noise(elementCount(info), 1)]));
const MODEL: Model = {
  tensors: TENSORS.map((info) => {
    return { ...info, bytes: new Uint8Array((BASE.get(info.name) as Float32Array).slice().buffer) };
  }),
};
const POSITIONS = new Map(
  TENSORS.map((info) => [info.name, Uint32Array.from([0, 3, 4, 50, elementCount(info) - 1])]),
);

const hash = (coding: 'float' | 'ternary' | 'sign', block: number): DiffPart =>
  createHashPart({
    tensors: TENSORS,
    bucketCount: 29,
    block,
    seed: 5,
    coding,
    ratios: new Map([['b/kernel', 0.3]]),
  });
const annealed = (): DiffPart =>
  createAnnealedPart(BASE, {
    ...{ saliency: 'fisher', scope: 'global', fixedFrom: 0.5, density: 0.1, bits: 3 },
    temperatures: { first: 1, last: 0.05 },
    choose: (saliency) => positionsAbove(saliency, thresholds(saliency, 0.1, 'global')),
  });
const PARTS: Readonly<Record<string, () => DiffPart>> = {
  'hash float, blocks of 1': () => hash('float', 1),
  'hash ternary, blocks of 8': () => hash('ternary', 8),
  'hash sign, blocks of 32': () => hash('sign', 32),
  'sparse rewound': () => createRewoundPart(POSITIONS, { bits: 3, weightCount: 512 }),
  'sparse annealed': annealed,
  'dense 4 bits': () => createDensePart(BASE, 4),
  'dense 8 bits': () => createDensePart(BASE, 8),
};

/** Takes some steps of plain gradient descent on random gradients. */
function train(part: DiffPart): void {
  for (let step = 0; step < 20; step++) {
    part.advance({ done: step / 20 });
    const gradients = new Map(TENSORS.map((info) => [info.name, noise(elementCount(info), 1)]));
    part.pullBack(gradients).forEach((gradient, i) => {
      const values = part.parameters[i] as Float32Array;
      gradient.forEach((g, j) => {
        values[j] = (values[j] as number) - 0.05 * g;
      });
    });
  }
}

function materialised(part: DiffPart): Map<string, Uint8Array> {
  const weights = new Map([...BASE].map(([name, values]) => [name, values.slice()]));
  part.materialise(weights);
  return new Map([...weights].map(([name, values]) => [name, new Uint8Array(values.buffer)]));
}

describe.each(Object.entries(PARTS))('a part, %s', (_name, create) => {
  test('materialises the very bits that its packed ops give', () => {
    const part = create();
    train(part);
    const patched = patchModel(MODEL, { ops: part.ops() });
    expect(new Map(patched.tensors.map(({ name, bytes }) => [name, bytes]))).toEqual(materialised(part));
    expect(part.ops().length).toBeGreaterThan(0);
    expect(patched).not.toEqual(MODEL);
  });

  test('gives a gradient for every parameter, as long as it is', () => {
    const part = create();
    train(part);
    const gradients = part.pullBack(
      new Map(TENSORS.map((info) => [info.name, noise(elementCount(info), 1)])),
    );
    expect(gradients.map((gradient) => gradient.length)).toEqual(
      part.parameters.map((values) => values.length),
    );
  });
});

test('createHashPart() pulls back the transpose of what it materialises', () => {
  const part = createHashPart({ ...HASH_LINEAR, tensors: TENSORS });
  const [theta] = part.parameters as [Float32Array];
  const gradients = new Map(
    TENSORS.map((info) => [info.name, Float32Array.from({ length: elementCount(info) }, (_, i) => i % 5)]),
  );
  const zero = new Map(TENSORS.map((info) => [info.name, new Float32Array(elementCount(info))]));
  const [pulled] = part.pullBack(gradients) as [Float32Array];
  for (let bucket = 0; bucket < theta.length; bucket++) {
    theta.fill(0);
    theta[bucket] = 1;
    const column = new Map([...zero].map(([name, values]) => [name, values.slice()]));
    part.materialise(column);
    let product = 0;
    for (const [name, values] of column) {
      const gradient = gradients.get(name) as Float32Array;
      for (let i = 0; i < values.length; i++) product += (values[i] as number) * (gradient[i] as number);
    }
    expect(pulled[bucket]).toBe(product);
  }
});

const HASH_LINEAR = { bucketCount: 13, block: 4, seed: 1, coding: 'float', ratios: new Map() } as const;

test('createAnnealedPart() opens all gates at first and hardens them to the chosen mask', () => {
  const part = annealed();
  part.advance({ done: 0 });
  expect(part.describe()).toEqual({ density: 1, temperature: 1 });
  train(part);
  const { density, temperature } = part.describe() as { density: number; temperature: number };
  expect(temperature).toBe(0);
  expect(Math.abs(density - 0.1)).toBeLessThan(0.01);
});

test('quantiseUniform() and quantiseNonZero() stay within their levels, round to the nearest, and have a proper scale', () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(values, fc.integer({ min: 2, max: 8 }), (list, bits) => {
      const array = Float32Array.from(list);
      const uniform = quantiseUniform(array, bits);
      const most = 2 ** (bits - 1) - 1;
      expect(uniform.scale).toBe(Math.fround(uniform.scale));
      expect(uniform.scale).toBeGreaterThan(0);
      uniform.levels.forEach((level, i) => {
        const exact = (array[i] as number) / uniform.scale;
        expect(Math.abs(level - Math.max(-most, Math.min(most, exact)))).toBeLessThanOrEqual(0.5);
      });
      const nonZero = quantiseNonZero(array, bits);
      nonZero.levels.forEach((level, i) => {
        expect(Math.sign(level)).toBe(Math.sign(array[i] as number) + 0);
        expect(Math.abs(level)).toBeLessThanOrEqual(most + 1);
      });
    }),
  );
});

test('quantiseBuckets() follows the ternary and the sign rule', () => {
  const values = Float32Array.of(1, -1, 0.1, -0.1, 2, 0);
  const ternary = quantiseBuckets(values, 'ternary');
  expect(Array.from(ternary.buckets.values)).toEqual([1, -1, 0, 0, 1, 0]);
  expect(ternary.scale).toBe(Math.fround(4 / 3));
  const sign = quantiseBuckets(values, 'sign');
  expect(Array.from(sign.buckets.values)).toEqual([1, -1, 1, -1, 1, 1]);
  expect(sign.scale).toBe(Math.fround((1 + 1 + Math.fround(0.1) * 2 + 2) / 6));
  expect(quantiseBuckets(values, 'float').scale).toBe(1);
});
