import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { bitsPerBucket, createHashPart, quantiseBuckets } from '../../src/hash-diff/hash-part.js';
import { elementCount, type Model, type TensorInfo } from '../../src/model/tensor.js';
import { patchModel } from '../../src/payload/patch.js';
import { isScale } from '../../src/payload/record-head.js';
import { quantiseNonZero } from '../../src/sparse-diff/mask.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { createDensePart } from '../../src/train/dense-part.js';
import { asScale, entropyOf, quantiseUniform } from '../../src/train/quantise.js';
import {
  annealed,
  BASE,
  MODEL,
  materialised,
  noisyGradients,
  PARTS,
  TENSORS,
  train,
  upload,
} from './sample-parts.js';

const asBytes = (values: ReadonlyMap<string, Float32Array>) =>
  new Map([...values].map(([name, array]) => [name, new Uint8Array(array.slice().buffer)]));

describe.each(['cpu', 'wasm'] as const)('on the %s backend', (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(Object.entries(PARTS))('a part, %s', (_name, create) => {
    test('materialises the same bits as its packed ops', async () => {
      const part = create();
      await train(part);
      const patched = patchModel(MODEL, { ops: part.ops(0) });
      const expected = asBytes(await materialised(part, BASE));
      expect(new Map(patched.tensors.map(({ name, bytes }) => [name, bytes]))).toEqual(expected);
      expect(part.ops(0).length).toBeGreaterThan(0);
      expect(patched).not.toEqual(MODEL);
      part.dispose();
    });

    test('returns a gradient for every parameter, of the same length', async () => {
      const part = create();
      await train(part);
      const sizes = tf.tidy(() => {
        part.materialise(upload(BASE));
        return part.pullBack(noisyGradients()).map((gradient) => tf.scalar(gradient.size));
      });
      const found = sizes.map((size) => size.dataSync()[0]);
      expect(found).toEqual(part.parameters.map((variable) => variable.size));
      tf.dispose(sizes);
      part.dispose();
    });

    test('leaks no tensors', async () => {
      const before = tf.memory().numTensors;
      const part = create();
      await train(part);
      part.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });

  test('createHashPart() pulls back by the transpose of its materialisation', async () => {
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
      await part.read();
      let product = 0;
      for (const [name, values] of await materialised(part, zero)) {
        const gradient = gradients.get(name) as Float32Array;
        for (let i = 0; i < values.length; i++) product += (values[i] as number) * (gradient[i] as number);
      }
      expect(pulled.dataSync()[bucket]).toBe(product);
    }
    part.dispose();
    pulled.dispose();
  });
});

const HASH_LINEAR = {
  bucketCount: 13,
  block: 4,
  seed: 1,
  coding: 'float',
  zeros: 0,
  sizes: new Map(),
} as const;

test('createAnnealedPart() opens all gates at first and hardens them to the chosen mask', async () => {
  const part = annealed();
  await part.advance({ done: 0 });
  expect(part.describe()).toEqual({ density: 1, temperature: 1 });
  await train(part);
  const { density, temperature } = part.describe() as { density: number; temperature: number };
  expect(temperature).toBe(0);
  expect(Math.abs(density - 0.1)).toBeLessThan(0.01);
});

test('quantiseUniform() rounds to the nearest multiple, or the one below it', () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(values, fc.double({ min: 0.1, max: 2, noNaN: true }), (list, scale) => {
      const array = Float32Array.from(list);
      quantiseUniform(array, scale).forEach((level, i) => {
        const exact = Math.abs(array[i] as number) / scale;
        expect(level === 0 || Math.sign(level) === Math.sign(array[i] as number)).toBe(true);
        expect(exact - Math.abs(level)).toBeLessThan(0.6 + 1e-9);
        expect(Math.abs(level) - exact).toBeLessThanOrEqual(0.4 + 1e-9);
      });
    }),
  );
});

test('quantiseNonZero() stays within its levels and keeps signs', () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 8 }), (list, bits) => {
      const array = Float32Array.from(list);
      const { levels, scale } = quantiseNonZero(array, bits);
      expect(isScale(scale, TENSORS[0] as TensorInfo)).toBe(true);
      levels.forEach((level, i) => {
        expect(Math.sign(level)).toBe(Math.sign(array[i] as number) + 0);
        expect(Math.abs(level)).toBeLessThanOrEqual(2 ** (bits - 1));
      });
    }),
  );
});

test('asScale() returns the nearest of eight scales per octave', () => {
  fc.assert(
    fc.property(fc.double({ min: 2 ** -40, max: 2 ** 40, noNaN: true }), (value) => {
      const scale = asScale(value);
      expect(isScale(scale, TENSORS[0] as TensorInfo)).toBe(true);
      expect(Math.abs(scale - value) / value).toBeLessThanOrEqual(1 / 16);
      expect(Number.isInteger((scale / 2 ** Math.floor(Math.log2(scale))) * 8)).toBe(true);
    }),
  );
  expect(asScale(0)).toBe(2 ** -60);
});

test('entropyOf() returns bits per level', () => {
  expect(entropyOf([Int16Array.of(0, 0, 1, 1), Int16Array.of(-1, -1, 2, 2)])).toBe(2);
  expect(entropyOf([Int16Array.of(5, 5, 5)])).toBe(0);
  expect(entropyOf([])).toBe(0);
});

test('a dense part settles at its rate', async () => {
  const part = createDensePart(BASE, { rate: 1.5 });
  await train(part);
  for (let i = 0; i < 40; i++) await materialised(part, BASE);
  const levels = part.ops(0).flatMap((op) => (op.kind === 'dense' ? [Int16Array.from(op.levels)] : []));
  expect(Math.abs(entropyOf(levels) - 1.5)).toBeLessThan(0.15);
  part.dispose();
});

/** @returns the number of bytes in which a model differs from the base */
function changed({ tensors }: Model): number {
  return tensors.reduce((sum, { bytes }, i) => {
    const before = (MODEL.tensors[i] as { bytes: Uint8Array }).bytes;
    return sum + bytes.reduce((count, byte, at) => count + (byte === before[at] ? 0 : 1), 0);
  }, 0);
}

test.each(Object.entries(PARTS))('extraZeros drops more and more of a part, %s', async (_name, create) => {
  const part = create();
  await train(part);
  const changesAt = (thrift: number): number => changed(patchModel(MODEL, { ops: part.ops(thrift) }));
  const counts = [0, 0.25, 0.5, 0.75].map(changesAt);
  expect([...counts].sort((a, b) => b - a)).toEqual(counts);
  expect(counts[0]).toBeGreaterThan(counts[3] as number);
  expect(part.ops(1)).toEqual([]);
  part.dispose();
});

test('quantiseBuckets() makes the smallest share zero', () => {
  const values = Float32Array.of(1, -1, 0.1, -0.1, 2, 0);
  const ternary = quantiseBuckets(values, 'ternary', 0.5);
  expect(Array.from(ternary.buckets.values)).toEqual([1, -1, 0, 0, 1, 0]);
  expect(ternary.scale).toBe(Math.fround(4 / 3));
  const sign = quantiseBuckets(values, 'sign', 0);
  expect(Array.from(sign.buckets.values)).toEqual([1, -1, 1, -1, 1, 1]);
  expect(sign.scale).toBe(Math.fround((1 + 1 + Math.fround(0.1) * 2 + 2) / 6));
  const float = quantiseBuckets(values, 'float', 0.5);
  expect([Array.from(float.buckets.values), float.scale]).toEqual([[1, -1, 0, 0, 2, 0], 1]);
  expect(quantiseBuckets(values, 'ternary', 1).buckets.values).toEqual(new Int8Array(6));
});

test.each([
  ['float', 0.5, 32],
  ['sign', 0, 1],
  ['ternary', 1 / 3, Math.log2(3)],
  ['ternary', 0.5, 1.5],
] as const)('bitsPerBucket() of %s buckets with a share of %f zeros is %f', (coding, zeros, bits) => {
  expect(Math.abs(bitsPerBucket(coding, zeros) - bits)).toBeLessThan(1e-12);
});
