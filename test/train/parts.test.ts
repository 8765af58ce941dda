import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { quantiseBuckets } from '../../src/hash-diff/buckets.js';
import { createHashPart } from '../../src/hash-diff/hash-part.js';
import { elementCount, type Model, type TensorInfo } from '../../src/model/index.js';
import { createAnnealedPart } from '../../src/sparse-diff/annealed-part.js';
import { quantiseNonZero } from '../../src/sparse-diff/levels.js';
import { createRewoundPart } from '../../src/sparse-diff/rewound-part.js';
import { positionsAbove, thresholds } from '../../src/sparse-diff/saliency.js';
import { useBackend } from '../../src/tfjs/index.js';
import {
  createDensePart,
  createRandom,
  type DiffPart,
  patchModel,
  quantiseUniform,
  readFloats,
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

const upload = (values: ReadonlyMap<string, Float32Array>) =>
  new Map([...values].map(([name, array]) => [name, tf.tensor1d(array)]));

const noisyGradients = () =>
  upload(new Map(TENSORS.map((info) => [info.name, noise(elementCount(info), 1)])));

/** Takes some steps of plain gradient descent on random gradients. */
function train(part: DiffPart): void {
  for (let step = 0; step < 20; step++) {
    part.advance({ done: step / 20 });
    tf.tidy(() => {
      part.materialise(upload(BASE));
      part.pullBack(noisyGradients()).forEach((gradient, i) => {
        const variable = part.parameters[i] as tf.Variable;
        variable.assign(tf.sub(variable, tf.mul(gradient, 0.05)));
      });
    });
  }
}

function materialised(part: DiffPart, base: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  const weights = new Map(base);
  tf.tidy(() => {
    for (const [name, tensor] of part.materialise(upload(base))) weights.set(name, readFloats(tensor));
  });
  return weights;
}

const asBytes = (values: ReadonlyMap<string, Float32Array>) =>
  new Map([...values].map(([name, array]) => [name, new Uint8Array(array.slice().buffer)]));

describe.each(['cpu', 'wasm'] as const)('on the %s backend', (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(Object.entries(PARTS))('a part, %s', (_name, create) => {
    test('materialises the very bits that its packed ops give', () => {
      const part = create();
      train(part);
      const patched = patchModel(MODEL, { ops: part.ops() });
      const expected = asBytes(materialised(part, BASE));
      expect(new Map(patched.tensors.map(({ name, bytes }) => [name, bytes]))).toEqual(expected);
      expect(part.ops().length).toBeGreaterThan(0);
      expect(patched).not.toEqual(MODEL);
      part.dispose();
    });

    test('gives a gradient for every parameter, as long as it is', () => {
      const part = create();
      train(part);
      const sizes = tf.tidy(() => {
        part.materialise(upload(BASE));
        return part.pullBack(noisyGradients()).map((gradient) => tf.scalar(gradient.size));
      });
      const found = sizes.map((size) => size.dataSync()[0]);
      expect(found).toEqual(part.parameters.map((variable) => variable.size));
      tf.dispose(sizes);
      part.dispose();
    });

    test('leaves nothing behind', () => {
      const before = tf.memory().numTensors;
      const part = create();
      train(part);
      part.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });

  test('createHashPart() pulls back the transpose of what it materialises', () => {
    const part = createHashPart({ ...HASH_LINEAR, tensors: TENSORS });
    const [theta] = part.parameters as [tf.Variable];
    const gradients = new Map(
      TENSORS.map((info) => [info.name, Float32Array.from({ length: elementCount(info) }, (_, i) => i % 5)]),
    );
    const zero = new Map(TENSORS.map((info) => [info.name, new Float32Array(elementCount(info))]));
    const [pulled] = tf.tidy(() => part.pullBack(upload(gradients))) as [tf.Tensor];
    for (let bucket = 0; bucket < theta.size; bucket++) {
      const unit = Float32Array.from({ length: theta.size }, (_, i) => Number(i === bucket));
      tf.tidy(() => theta.assign(tf.tensor1d(unit)));
      let product = 0;
      for (const [name, values] of materialised(part, zero)) {
        const gradient = gradients.get(name) as Float32Array;
        for (let i = 0; i < values.length; i++) product += (values[i] as number) * (gradient[i] as number);
      }
      expect(pulled.dataSync()[bucket]).toBe(product);
    }
    part.dispose();
    pulled.dispose();
  });
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
