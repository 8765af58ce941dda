import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantiseBuckets } from '../../../src/hash-diff/hash-part.js';
import { patchRange } from '../../../src/payload/patch.js';
import { tensorSeed } from '../../../src/payload/placement.js';
import { addGated, openGates, pullGated, trackSquares } from '../../../src/tfjs/kernels/diff/gates.js';
import { addHashed, quantiseOnBackend, sumHashed, tableOf } from '../../../src/tfjs/kernels/diff/hashed.js';
import { addAt, maskAt, takeAt } from '../../../src/tfjs/kernels/diff/sparse.js';
import { expectClose, resultOnCpu, resultOnWasm, seededTensor, useTrainingKernels } from './both-backends.js';
import { seededFloats } from './seeded.js';

const placement = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  block: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 1024 })),
  bucketCount: fc.integer({ min: 1, max: 500 }),
  count: fc.integer({ min: 1, max: 3000 }),
});

/** Both backends must give the very bits: one runs SIMD, the other plain TypeScript. */
async function bitsOnBoth(work: () => tf.Tensor): Promise<number[]> {
  const [wasm, cpu] = [await resultOnWasm(work), await resultOnCpu(work)];
  expect(wasm).toEqual(cpu);
  return Array.from(wasm.values);
}

test('addHashed() adds the bits that the packed op adds', async () => {
  await fc.assert(
    fc.asyncProperty(placement, async ({ seed, block, bucketCount, count }) => {
      const values = seededFloats(2, bucketCount);
      const scale = Math.fround(0.37);
      const given = { seed: tensorSeed(seed, 0), block };
      const found = await bitsOnBoth(() =>
        addHashed(seededTensor(1, [count]), { ...tableOf(values, block), scale }, given),
      );
      const expected = seededFloats(1, count).slice();
      const tensors = [{ tensor: 'w', scale }];
      const op = { kind: 'hash', tensors, seed, block, buckets: { coding: 'float', values } } as const;
      patchRange(
        [op],
        { name: 'w', dtype: 'float32', shape: [count] },
        { startElement: 0, bytes: new Uint8Array(expected.buffer) },
      );
      expect(found).toEqual(Array.from(expected));
    }),
    { numRuns: 60 },
  );
});

test('sumHashed() gives the same bits with SIMD and without, and the transpose of addHashed()', async () => {
  await fc.assert(
    fc.asyncProperty(placement, async ({ seed, block, bucketCount, count }) => {
      const sums = await bitsOnBoth(() => {
        const parts = [
          { gradient: seededTensor(1, [count]), seed, factor: 0.7 },
          { gradient: seededTensor(2, [3, 5]), seed: 9, factor: 1 },
        ];
        return sumHashed(parts, { block, bucketCount });
      });
      const ones = () => ({ ...tableOf(new Float32Array(bucketCount).fill(1), block), scale: 1 });
      const signs = await bitsOnBoth(() => addHashed(tf.zeros([count]), ones(), { seed, block }));
      const others = await bitsOnBoth(() => addHashed(tf.zeros([15]), ones(), { seed: 9, block }));
      const dot = (a: number[], b: Float32Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
      const expected = 0.7 * dot(signs, seededFloats(1, count)) + dot(others, seededFloats(2, 15));
      const total = sums.reduce((sum, value) => sum + value, 0);
      expect(Math.abs(total - expected)).toBeLessThan(1e-6 * (count + 15));
    }),
    { numRuns: 60 },
  );
});

test('quantiseOnBackend() adds the bits of quantiseBuckets(), also where magnitudes are equal', async () => {
  await tf.setBackend('wasm');
  useTrainingKernels();
  const magnitudes = fc.constantFrom(0, -0, 0.25, 0.5, 1e-40, 3e38);
  const values = fc.array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), magnitudes), {
    minLength: 1,
    maxLength: 200,
  });
  const codings = fc.constantFrom('float' as const, 'ternary' as const, 'sign' as const);
  const shares = fc.constantFrom(0, 0.5, 0.9, 1);
  fc.assert(
    fc.property(values, codings, shares, placement, (list, coding, zeros, { seed, block, count }) => {
      const given = Float32Array.from(list);
      const { buckets, scale } = quantiseBuckets(given, coding, zeros);
      const options = { kept: Math.round((1 - zeros) * given.length), isFloat: coding === 'float', block };
      tf.tidy(() => {
        const found = quantiseOnBackend(tf.tensor1d(given.slice()), options);
        if (found === undefined) {
          expect(process.env.TRAINING_KERNELS).toBe('composed');
          return;
        }
        expect(found.scale).toBe(scale);
        const weights = tf.zeros([count]);
        const expected = { ...tableOf(new Float32Array(buckets.values), block), scale: 0.5 };
        const added = addHashed(weights, { ...found, scale: 0.5 }, { seed, block }).dataSync();
        expect(added).toEqual(addHashed(weights, expected, { seed, block }).dataSync());
      });
    }),
  );
});

test('addAt(), takeAt() and maskAt() touch the positions alone', async () => {
  const positions = Uint32Array.of(0, 7, 8, 34);
  const added = await bitsOnBoth(() =>
    addAt(seededTensor(1, [5, 7]), positions, Float32Array.of(1, 2, 3, 4)),
  );
  const expected = Array.from(seededFloats(1, 35));
  positions.forEach((place, i) => {
    expected[place] = Math.fround((expected[place] as number) + i + 1);
  });
  expect(added).toEqual(expected);
  const taken = await bitsOnBoth(() => takeAt(seededTensor(1, [5, 7]), positions));
  expect(taken).toEqual(Array.from(positions, (place) => seededFloats(1, 35)[place]));
  const masked = await bitsOnBoth(() => maskAt(seededTensor(1, [5, 7]), positions));
  expect(masked).toEqual(Array.from(seededFloats(1, 35), (value, i) => (positions.includes(i) ? value : 0)));
  const none = await bitsOnBoth(() => maskAt(seededTensor(1, [5, 7]), new Uint32Array(0)));
  expect(none).toEqual(new Array(35).fill(0));
});

test.each([[1], [4], [37]])(
  'gates open by saliency and pull gradients through, %d of them',
  async (count) => {
    const make = (options: { threshold: number; temperature: number }, byFisher: boolean) => () => {
      const gates = tf.variable(tf.zeros([count]));
      const change = tf.concat([tf.zeros([1]), seededTensor(1, [count])]).slice(0, count);
      const fisher = byFisher ? tf.abs(seededTensor(2, [count])) : undefined;
      openGates(gates, change, { ...options, fisher });
      const added = addGated(seededTensor(3, [count]), gates, change);
      const pulled = pullGated(gates, seededTensor(4, [count]), 0.5);
      const result = tf.stack([gates, added, pulled]);
      gates.dispose();
      return result;
    };
    for (const byFisher of [true, false]) {
      for (const options of [
        { threshold: 0.1, temperature: 1 },
        { threshold: 0.3, temperature: 0.05 },
      ]) {
        const work = make(options, byFisher);
        expectClose(await resultOnWasm(work), await resultOnCpu(work));
      }
    }
  },
);

test('trackSquares() moves a running mean', async () => {
  const work = () => {
    const mean = tf.variable(tf.abs(seededTensor(1, [11])));
    trackSquares(mean, seededTensor(2, [11]), 0.9);
    const result = mean.clone();
    mean.dispose();
    return result;
  };
  expectClose(await resultOnWasm(work), await resultOnCpu(work));
});
